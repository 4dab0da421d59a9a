using System.Collections.Concurrent;
using System.Globalization;
using Kuik.Testing;
using static Kuik.IntegrationTests.Registries.Answers;

namespace Kuik.IntegrationTests.Registries;

/// <summary>A registry's response to HEAD.</summary>
public enum HeadAnswer
{
    AsGet,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    ServerError,
    NotImplemented,
    Hang,
}

/// <summary>A registry's request for a token.</summary>
public enum ChallengeStyle
{
    None,

    /// <summary>Each repository's challenge names its scope, and its token opens nothing else.</summary>
    PerRepository,

    /// <summary>The same challenge everywhere, without a scope.</summary>
    PerHost,

    /// <summary>Only <c>/v2/</c> challenges; a manifest or blob without a token is not found.</summary>
    AtPingOnly,

    /// <summary>The first token is of too small a scope; the challenge to it names the right one.</summary>
    Second,

    /// <summary>It redirects to another registry, which challenges.</summary>
    OtherHost,
}

/// <summary>
/// A registry that answers HEAD and asks for tokens in one of the ways that real ones do, and that may forget its tokens. Everything opens
/// to anonymous clients, by a plain GET whose challenges are answered. A fake, because no real one does all of it.
/// </summary>
internal sealed class ChallengingOrigin : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, string> _tokens = new();
    private readonly HeadAnswer _head;
    private readonly ChallengeStyle _style;
    private readonly ScriptedOrigin _other;
    private int _issued;

    private ChallengingOrigin(HeadAnswer head, ChallengeStyle style, ScriptedOrigin origin, ScriptedOrigin other) =>
        (_head, _style, Origin, _other) = (head, style, origin, other);

    public ScriptedOrigin Origin { get; }

    /// <summary>Every host of it.</summary>
    public IEnumerable<string> Hosts => [Origin.Host, _other.Host];

    public static async Task<ChallengingOrigin> Start(HeadAnswer head, ChallengeStyle style)
    {
        var made = new ChallengingOrigin(head, style, await ScriptedOrigin.Start(), await ScriptedOrigin.Start());
        made.Origin.Script = style == ChallengeStyle.OtherHost ? made.RedirectToOther : request => made.Answer(request, made.Origin);
        made._other.Script = request => made.Answer(request, made._other);
        return made;
    }

    /// <summary>Puts an image there.</summary>
    public void Add(string repository, TestImage image)
    {
        Origin.Add(repository, "1", image);
        _other.Add(repository, "1", image);
    }

    /// <summary>No token that was issued opens anything any more.</summary>
    public void ForgetTokens() => _tokens.Clear();

    public async ValueTask DisposeAsync()
    {
        await Origin.DisposeAsync();
        await _other.DisposeAsync();
    }

    private Misbehaviour? RedirectToOther(OriginRequest request) =>
        request.IsPing() ? Misbehave.Say(200, "{}") : Redirect($"http://{_other.Host}{request.Path}");

    private Misbehaviour? Answer(OriginRequest request, ScriptedOrigin at)
    {
        if (request.IsToken())
            return Issue(request.Path);
        if (request.IsPing())
            return _style == ChallengeStyle.AtPingOnly ? Challenge(Bearer(at.Host)) : Misbehave.Say(200, "{}");
        if (_style != ChallengeStyle.None && Refuse(request, at) is { } refusal)
            return refusal;
        return request.Method == "HEAD" ? AnswerHead() : null;
    }

    private Misbehaviour Issue(string path)
    {
        var token = "t" + Interlocked.Increment(ref _issued).ToString(CultureInfo.InvariantCulture);
        _tokens[token] = Uri.UnescapeDataString(path);
        return Token(token);
    }

    private Misbehaviour? Refuse(OriginRequest request, ScriptedOrigin at)
    {
        var repository = request.Path["/v2/".Length..].Split(["/manifests/", "/blobs/"], StringSplitOptions.None)[0];
        var asked = request.Authorization?.StartsWith("Bearer ", StringComparison.Ordinal) == true
            ? _tokens.GetValueOrDefault(request.Authorization["Bearer ".Length..])
            : null;
        return _style switch
        {
            ChallengeStyle.AtPingOnly => asked is not null ? null : Misbehave.Say(404, """{"errors":[{"code":"NAME_UNKNOWN"}]}"""),
            ChallengeStyle.PerHost => asked is not null ? null : Challenge(Bearer(at.Host)),
            ChallengeStyle.Second when asked?.Contains($"real/{repository}:", StringComparison.Ordinal) == true => null,
            ChallengeStyle.Second when asked is not null =>
                Challenge(Bearer(at.Host, $",scope=\"repository:real/{repository}:pull\",error=\"insufficient_scope\"")),
            ChallengeStyle.Second => Challenge(Bearer(at.Host)),
            _ when asked?.Contains($"repository:{repository}:", StringComparison.Ordinal) == true => null,
            _ => Challenge(Bearer(at.Host, $",scope=\"repository:{repository}:pull\"")),
        };
    }

    private Misbehaviour? AnswerHead() => _head switch
    {
        HeadAnswer.AsGet => null,
        HeadAnswer.Unauthorized => Misbehave.Answer(401),
        HeadAnswer.Forbidden => Misbehave.Answer(403),
        HeadAnswer.NotFound => Misbehave.Answer(404),
        HeadAnswer.MethodNotAllowed => Misbehave.Answer(405),
        HeadAnswer.ServerError => Misbehave.Answer(500),
        HeadAnswer.NotImplemented => Misbehave.Answer(501),
        _ => (http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default),
    };
}
