using System.Collections.Concurrent;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>
/// The cloud credentials of this workload. Each is kept until shortly before it expires and requested in single flight; a failure is
/// remembered for a moment, and a token that is still valid is used meanwhile. A singleton.
/// </summary>
public sealed partial class CloudCredentials(IReadOnlyList<ICloudIdentity> identities, TimeProvider time, ILogger<CloudCredentials> logger)
{
    /// <summary>The time limit of a cloud's answer: a pull waits for this.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The pause after a failure of a cloud.</summary>
    public static readonly TimeSpan FailureIsGoodFor = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long before its expiry a token is renewed. Less than 5 minutes: until then Google's metadata server returns the same one.
    /// </summary>
    public static readonly TimeSpan Margin = TimeSpan.FromMinutes(3);

    // Any client that can pull can invent hosts of a cloud.
    private const int MostHosts = 256;

    private static readonly CredentialsFound Nothing = new([], []);

    private readonly ConcurrentDictionary<string, Lazy<Task<Known>>> _known = new();

    /// <summary>
    /// The credential for this registry, and a problem if the cloud issued none; nothing for a host that belongs to no enabled cloud.
    /// </summary>
    /// <param name="host">As references name it.</param>
    /// <param name="ct">Cancels the wait, not the request, which others may wait for too.</param>
    public async Task<CredentialsFound> For(string host, CancellationToken ct)
    {
        var ask = identities.Select(identity => identity.For(host)).FirstOrDefault(found => found is not null);
        return ask is null ? Nothing : (await Latest(host, ask).WaitAsync(ct)).Found;
    }

    private Task<Known> Latest(string host, RequestCloudToken ask)
    {
        if (_known.Count >= MostHosts)
            _known.Clear();
        var kept = _known.GetOrAdd(host, _ => new Lazy<Task<Known>>(() => Ask(host, ask, null)));
        if (kept.Value is { IsCompleted: true } ended && (!ended.IsCompletedSuccessfully || ended.Result.FreshUntil <= time.GetUtcNow()))
        {
            var anew = new Lazy<Task<Known>>(() => Ask(host, ask, ended.IsCompletedSuccessfully ? ended.Result : null));
            kept = _known.TryUpdate(host, anew, kept) ? anew : _known.GetOrAdd(host, anew);
        }
        return kept.Value;
    }

    private async Task<Known> Ask(string host, RequestCloudToken ask, Known? last)
    {
        using var limit = new CancellationTokenSource(Patience, time);
        try
        {
            var token = await ask(limit.Token);
            var left = token.ExpiresAt - time.GetUtcNow();
            if (left <= TimeSpan.Zero)
                throw new CloudIdentityException("the cloud's token has expired already; check the clock");
            return new Known(token, null, time.GetUtcNow() + (left > 2 * Margin ? left - Margin : left / 2));
        }
        catch (CloudIdentityException refusal)
        {
            return Failed(host, refusal.Message, last);
        }
        catch (Exception error)
        {
            // The pods' pull secrets are used all the same.
            LogUnforeseen(host, ExceptionSummary.WithStack(error));
            return Failed(host, ExceptionSummary.Of(error), last);
        }
    }

    private Known Failed(string host, string reason, Known? last)
    {
        var problem = $"the cloud gave no token for {host} ({reason})";
        if (problem != last?.Problem)
            LogProblem(problem);
        var stillGood = last?.Token is { } token && token.ExpiresAt > time.GetUtcNow() ? token : null;
        return new Known(stillGood, problem, time.GetUtcNow() + FailureIsGoodFor);
    }

    [LoggerMessage(LogLevel.Error, "Cloud token for {Host} not available: {Fault}")]
    private partial void LogUnforeseen(string host, string fault);

    [LoggerMessage(LogLevel.Warning, "{Problem}")]
    private partial void LogProblem(string problem);

    private sealed record Known(CloudToken? Token, string? Problem, DateTimeOffset FreshUntil)
    {
        public CredentialsFound Found => new(Token is null ? [] : [Token.Credential], Problem is null ? [] : [Problem]);
    }
}
