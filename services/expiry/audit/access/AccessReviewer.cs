using System.Security.Cryptography;
using System.Text;
using Kuik.Kubernetes;

namespace Kuik.Expiry.Audit;

/// <summary>
/// Asks Kubernetes who has sent a token and whether that user has the verb on <c>audits.kuik.enix.io</c>. Results are used for ten seconds;
/// without an answer of Kubernetes nothing is admitted. A singleton.
/// </summary>
public sealed partial class AccessReviewer(KubernetesApi kubernetes, TimeProvider time, ILogger<AccessReviewer> logger) : IDisposable
{
    /// <summary>How long a result is used: a right that is taken away ends after it.</summary>
    internal static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int LongestToken = 16 * 1024;
    private const int MostReviews = 8;

    private readonly ReviewCache<Caller?> _callers = new(Lifetime, time);
    private readonly ReviewCache<bool> _rights = new(Lifetime, time);
    private readonly SemaphoreSlim _permits = new(MostReviews, MostReviews);

    /// <summary>Decides about a request.</summary>
    /// <param name="token">Its token.</param>
    /// <param name="verb"><c>get</c>, or <c>watch</c> for a stream.</param>
    /// <param name="space">The namespace that it asks about; null for the whole cluster.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task<AccessDecision> Review(string token, string verb, string? space, CancellationToken ct)
    {
        if (token.Length > LongestToken)
            return new AccessDecision(Caller.Unknown, Invalid);
        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        using var deadline = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        try
        {
            if (await FindCaller(token, key, either.Token) is not { } caller)
                return new AccessDecision(Caller.Unknown, Invalid);
            var isAllowed = await HasRight(caller, $"{key} {verb} {space}", verb, space, either.Token);
            return new AccessDecision(caller, isAllowed ? null : Forbidden(caller, verb, space));
        }
        catch (Exception fault) when (KubernetesFault.IsOfApi(fault, ct))
        {
            LogUnknown(fault.Message);
            return new AccessDecision(Caller.Unknown, new Refusal(StatusCodes.Status503ServiceUnavailable,
                "Kubernetes cannot be asked for the right to see the audit; without its answer nothing is shown", Patience));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _permits.Dispose();

    private static Refusal Invalid => new(StatusCodes.Status401Unauthorized, "Kubernetes does not accept the token");

    private static Refusal Forbidden(Caller caller, string verb, string? space) => new(StatusCodes.Status403Forbidden,
        $"{caller.User} has no right to {verb} {SubjectAccessReview.Resource}.{SubjectAccessReview.Group} in "
        + (space is null
            ? "the whole cluster: bind the ClusterRole kuik-audit-reader, or ask about one namespace"
            : $"the namespace {space}: bind the ClusterRole kuik-audit-reader there"));

    private async Task<Caller?> FindCaller(string token, string key, CancellationToken ct)
    {
        if (_callers.TryGet(key, out var known))
            return known;
        var review = await Ask(() => kubernetes.Create(TokenReview.Path, TokenReview.Of(token), ReviewJson.Default.TokenReview, ct), ct);
        var caller = review.FindCaller();
        if (caller is null && review.Status?.Error is { Length: > 0 } error)
            LogInvalid(error);
        _callers.Keep(key, caller);
        return caller;
    }

    private async Task<bool> HasRight(Caller caller, string key, string verb, string? space, CancellationToken ct)
    {
        if (_rights.TryGet(key, out var known))
            return known;
        var question = SubjectAccessReview.Of(caller, verb, space);
        var review = await Ask(
            () => kubernetes.Create(SubjectAccessReview.Path, question, ReviewJson.Default.SubjectAccessReview, ct), ct);
        var isAllowed = review.Status?.Allowed == true;
        _rights.Keep(key, isAllowed);
        return isAllowed;
    }

    // A flood of tokens must not become one of reviews.
    private async Task<T> Ask<T>(Func<Task<T>> review, CancellationToken ct)
    {
        await _permits.WaitAsync(ct);
        try
        {
            return await review();
        }
        finally
        {
            _permits.Release();
        }
    }

    [LoggerMessage(LogLevel.Warning, "audit: Kubernetes cannot be asked for a right: {Reason}")]
    private partial void LogUnknown(string reason);

    [LoggerMessage(LogLevel.Information, "audit: Kubernetes does not accept a token: {Reason}")]
    private partial void LogInvalid(string reason);
}
