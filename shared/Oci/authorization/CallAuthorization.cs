using System.Net;
using System.Net.Http.Headers;

namespace Kuik.Oci;

/// <summary>
/// The <c>Authorization</c> of one call, which changes with its answers. It is for one place at a time: where a redirect leads to another
/// scheme, host or port, it begins anew, as anonymous, and stays so.
/// </summary>
internal sealed class CallAuthorization(RegistryCall call, RegistryAuthenticator authenticator)
{
    /// <summary>How many challenges are answered, at the registry and after a redirect each.</summary>
    private const int MostRounds = 3;

    private readonly HashSet<string> _sent = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RegistryException?> _answered = new(StringComparer.Ordinal);
    private int _rounds;
    private bool _isElsewhere;
    private bool _hasBeenPlain;
    private bool _isWithheld;
    private KnownChallenge? _foreseen;
    private KnownChallenge? _current;

    /// <summary>The header to send; null for none.</summary>
    public AuthenticationHeaderValue? Header { get; private set; }

    /// <summary>Why the last challenge could not be answered; null when that was not the token server's doing.</summary>
    public RegistryException? Failure { get; private set; }

    /// <summary>The registry did not challenge by itself: <c>/v2/</c> was asked. The answer before that is the one to report.</summary>
    public bool IsFromPing => _current is { IsFromPing: true };

    /// <summary>
    /// Begins with the answer to a challenge that is expected. A token server that does not give one decides nothing yet.
    /// </summary>
    public async Task Foresee(KnownChallenge known, CancellationToken ct)
    {
        if (await TryAnswer([known.Challenge], known.IsFromPing, isForeseen: true, ct))
            _foreseen = known;
    }

    /// <summary>
    /// Nothing is sent and no challenge is answered: the call is for an address at another place than the registry's, which has what it
    /// needs in the address itself (a signature, say).
    /// </summary>
    public void Withhold() => _isWithheld = true;

    /// <summary>Takes note of a redirect.</summary>
    public void Move(Uri from, Uri to)
    {
        if (to.IsAt(from))
            return;
        Header = null;
        _answered.Clear();
        _sent.Clear();   // another place may issue a token of the same text
        _rounds = _isElsewhere ? _rounds : 0;
        _isElsewhere = true;
    }

    /// <summary>The registry let the call in: the challenge that was answered is expected the next time.</summary>
    public void Accept()
    {
        if (_current is not null)
            authenticator.Accepted(call.Repository, _current);
    }

    /// <summary>
    /// Decides whether an answer can be improved on; <see cref="Header"/> is what to send then. 1. By the answer to its own challenge. 2.
    /// Where something else was expected than a challenge: without what was expected. 3. By the challenge of <c>/v2/</c>, where nothing was
    /// asked for and nothing tried.
    /// </summary>
    /// <param name="answer">No success.</param>
    /// <param name="ct">Ends the waiting.</param>
    public async Task<bool> Improve(HttpResponseMessage answer, CancellationToken ct)
    {
        Failure = null;
        if (_isWithheld || answer.StatusCode is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound))
            return false;

        // 1.
        var challenges = answer.StatusCode == HttpStatusCode.NotFound ? [] : Challenge.From(answer);
        if (challenges.Count > 0 && await TryAnswer(challenges, isFromPing: false, isForeseen: false, ct))
            return true;
        if (_isElsewhere)
            return false;

        // 2. A 404 to a token that the repository itself asked for is its word.
        if (_foreseen is { } foreseen && !_hasBeenPlain && (foreseen.IsFromPing || answer.StatusCode != HttpStatusCode.NotFound))
        {
            _hasBeenPlain = true;
            (Header, _current) = (null, null);
            authenticator.Refused(call.Repository);
            return true;
        }

        // 3.
        if (challenges.Count > 0 || Header is not null || _answered.Count > 0 || !call.IsRead)
            return false;
        var atVersion = await authenticator.Ping(call.Repository.Host, ct);
        var isAnswered = await TryAnswer(atVersion, isFromPing: true, isForeseen: false, ct);
        Failure = null;   // of a token server that this repository did not name
        return isAnswered;
    }

    /// <summary>
    /// The first challenge that can be answered with something new. Bearer comes before Basic, which shows the password itself.
    /// </summary>
    private async Task<bool> TryAnswer(IReadOnlyList<Challenge> challenges, bool isFromPing, bool isForeseen, CancellationToken ct)
    {
        var bearer = challenges.Where(c => c.Scheme == "bearer" && c["realm"] is not null);
        foreach (var challenge in bearer.Concat(challenges.Where(c => c.Scheme == "basic")))
        {
            var scopes = ScopesFor(challenge, isForeseen);
            var identity = challenge.Scheme == "basic" ? "basic" : string.Join('\n', challenge["realm"], challenge["service"], scopes);
            if (_answered.TryGetValue(identity, out var failure))
            {
                Failure ??= failure;
                continue;
            }
            if (_rounds == MostRounds)
                return false;
            try
            {
                var (header, wasKept) = await HeaderFor(challenge, scopes, ct);
                if (!wasKept && !isForeseen)
                    _answered[identity] = null;
                if (header is null || !_sent.Add($"{header.Scheme} {header.Parameter}"))
                    continue;
                Header = header;
                _current = _isElsewhere ? _current : new KnownChallenge(challenge, isFromPing);
                _rounds += isForeseen ? 0 : 1;
                Failure = null;
                return true;
            }
            catch (RegistryException e)
            {
                _answered[identity] = Failure = e;
            }
        }
        return false;
    }

    private async Task<(AuthenticationHeaderValue? Header, bool WasKept)> HeaderFor(
        Challenge challenge, string scopes, CancellationToken ct)
    {
        var credential = _isElsewhere ? null : call.Credential;
        if (credential is { RegistryToken: { Length: > 0 } given })
            return given.AsSpan().ContainsAnyExceptInRange('!', '~')
                ? throw new RegistryException(RegistryErrorKind.Refused,
                    $"the registry token for {call.Repository.Host} in the pull secret is none: no header can hold it")
                : (new AuthenticationHeaderValue("Bearer", given), false);
        if (challenge.Scheme == "basic")
            return (credential?.ToBasic(), false);
        var request = new TokenRequest(call.Repository.Host, challenge["realm"]!, challenge["service"], scopes, credential);
        var (token, wasKept) = await authenticator.Tokens.Get(request, token => _sent.Contains($"Bearer {token}"), ct);
        return (new AuthenticationHeaderValue("Bearer", token), wasKept);
    }

    /// <summary>
    /// The call's own scopes and the challenge's. Of a challenge that came to another call only those count that are about something else
    /// than this call's repositories; of another registry's challenge only its own, as its repositories are not ours, unless it names none.
    /// </summary>
    private string ScopesFor(Challenge challenge, bool isForeseen)
    {
        var asked = challenge["scope"]?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        if (_isElsewhere && asked.Length > 0)
            return string.Join(' ', asked.Distinct());
        var own = call.Scopes.ToList();
        var further = isForeseen ? asked.Where(scope => !own.Any(mine => ResourceOf(mine).SequenceEqual(ResourceOf(scope)))) : asked;
        return string.Join(' ', own.Concat(further).Distinct());
    }

    /// <summary>A scope without its actions: <c>repository:team/web</c> of <c>repository:team/web:pull</c>.</summary>
    private static ReadOnlySpan<char> ResourceOf(string scope) => scope.AsSpan(0, Math.Max(0, scope.LastIndexOf(':')));
}
