using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Kubernetes;

namespace Kuik.ImageFetcher;

/// <summary>
/// Reads pull secrets on demand, which is image-fetcher's only permission in Kubernetes. A secret is cached for half a minute, so that a
/// rotated one works without a restart. While Kubernetes does not answer, the last content is used for an hour; 403 and 404 are answers.
/// Secrets that are no longer requested are removed from memory. A singleton.
/// </summary>
public sealed partial class PullSecretReader(GetSecret get, TimeProvider time, ILogger<PullSecretReader> logger) : IDisposable
{
    /// <summary>How long a secret is used without reading it again.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(30);

    /// <summary>The time limit of a request, and the pause after a failed one: a pull waits for this.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>How long a secret is used while Kubernetes does not answer, and kept without being requested.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromHours(1);

    /// <summary>The limit of cached secrets; the least recently requested are removed first.</summary>
    internal const int MostKept = 10_000;

    private const int MostRequests = 16;
    private static readonly TimeSpan DropInterval = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<PullSecret, Known> _known = new();
    private readonly SemaphoreSlim _requests = new(MostRequests);
    private DateTimeOffset _dropAgainAt = DateTimeOffset.MinValue;

    /// <summary>The number of secrets in memory.</summary>
    internal int Count => _known.Count;

    /// <summary>
    /// Reads secrets. Missing and unreadable ones are left out and named among the problems; a problem with one does not affect the others.
    /// Throws <see cref="OperationCanceledException"/> and nothing else.
    /// </summary>
    /// <param name="secrets">In the order in which they are to be tried.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task<SecretsRead> Read(IReadOnlyList<PullSecret> secrets, CancellationToken ct)
    {
        DropUnused();
        var read = await Task.WhenAll(secrets.Select(secret => Read(secret, ct)));
        return new SecretsRead([.. read.SelectMany(one => one.Entries)], [.. read.SelectMany(one => one.Problems)]);
    }

    /// <summary>Notes that a registry rejected their credentials: they are read again before their next use.</summary>
    public void Doubt(IReadOnlyList<PullSecret> secrets)
    {
        foreach (var secret in secrets)
            if (_known.TryGetValue(secret, out var last))
                _known.TryUpdate(secret, last with { FreshUntil = DateTimeOffset.MinValue }, last);
    }

    public void Dispose() => _requests.Dispose();

    private void DropUnused()
    {
        var now = time.GetUtcNow();
        if (_known.Count <= MostKept && now < _dropAgainAt)
            return;
        _dropAgainAt = now + DropInterval;
        foreach (var (secret, last) in _known)
            if (now - last.AskedAt > Kept)
                _known.TryRemove(secret, out _);
        if (_known.Count > MostKept)
            foreach (var (secret, _) in _known.OrderBy(entry => entry.Value.AskedAt).Take(MostKept / 2).ToList())
                _known.TryRemove(secret, out _);
    }

    private async Task<Known> Read(PullSecret secret, CancellationToken ct)
    {
        var last = _known.GetValueOrDefault(secret);
        last?.AskedAt = time.GetUtcNow();
        if (last is not null && last.FreshUntil > time.GetUtcNow())
            return last;
        var now = await Ask(secret, last, ct);
        foreach (var problem in now.Problems.Except(last?.Problems ?? []))
            LogProblem(problem);
        return _known[secret] = now;
    }

    private async Task<Known> Ask(PullSecret secret, Known? last, CancellationToken ct)
    {
        var name = $"the pull secret {secret.Namespace}/{secret.Name}";
        using var limit = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
        try
        {
            var found = await Get(secret, both.Token);
            return Answer(ParsePullSecret.Read(secret, found.Type, found.Data));
        }
        catch (KubernetesApiException refusal) when (refusal.Status == HttpStatusCode.NotFound)
        {
            return Answer(new SecretsRead([], [$"{name} does not exist"]));
        }
        catch (KubernetesApiException refusal) when (refusal.Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            return Answer(new SecretsRead([],
                [$"{name} could not be read: Kubernetes answered {(int)refusal.Status}, image-fetcher may not get it"]));
        }
        catch (KubernetesApiException refusal)
        {
            return Unanswered(last, $"{name} could not be read: Kubernetes answered {(int)refusal.Status}");
        }
        catch (JsonException)
        {
            return Unanswered(last, $"{name} could not be read: Kubernetes answered something that is not a Secret");
        }
        catch (Exception error)
            when (error is HttpRequestException or IOException || (error is OperationCanceledException && !ct.IsCancellationRequested))
        {
            return Unanswered(last, $"{name} could not be read: Kubernetes did not answer");
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            LogUnforeseen(name, ExceptionSummary.WithStack(error));
            return Unanswered(last, $"{name} could not be read: {ExceptionSummary.Of(error)}");
        }
    }

    private async Task<SecretContent> Get(PullSecret secret, CancellationToken ct)
    {
        await _requests.WaitAsync(ct);
        try
        {
            return await get(secret, ct);
        }
        finally
        {
            _requests.Release();
        }
    }

    private Known Answer(SecretsRead read)
    {
        var now = time.GetUtcNow();
        return new Known(read.Entries, read.Problems, AnsweredAt: now, FreshUntil: now + Fresh) { AskedAt = now };
    }

    // An unreachable Kubernetes does not mean that the secret has changed, for a while.
    private Known Unanswered(Known? last, string problem)
    {
        var now = time.GetUtcNow();
        var isGood = last is not null && now - last.AnsweredAt <= Kept;
        var entries = isGood ? last!.Entries : [];
        return new Known(entries, [problem], last?.AnsweredAt ?? DateTimeOffset.MinValue, now + Patience) { AskedAt = now };
    }

    [LoggerMessage(LogLevel.Error, "Reading {Secret} failed: {Fault}")]
    private partial void LogUnforeseen(string secret, string fault);

    [LoggerMessage(LogLevel.Warning, "{Problem}")]
    private partial void LogProblem(string problem);

    private sealed record Known(IReadOnlyList<PullSecretEntry> Entries, IReadOnlyList<string> Problems, DateTimeOffset AnsweredAt,
        DateTimeOffset FreshUntil)
    {
        public DateTimeOffset AskedAt { get; set; }
    }
}
