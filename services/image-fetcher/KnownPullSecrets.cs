using Kuik.Contracts;
using Kuik.EventLog;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>Reads which secrets pods bring for each repository.</summary>
/// <exception cref="NpgsqlException">Postgres is not there.</exception>
public delegate Task<IReadOnlyDictionary<string, IReadOnlyList<PullSecret>>> ReadPullSecretNames(CancellationToken ct);

/// <summary>
/// Which secrets fit which repository: a copy of what the usage table says, replaced whole, and kept while Postgres does not answer. So a private image
/// that is not cached still pulls with Postgres down, as long as this process knew its pods before. Injected as a singleton.
/// </summary>
public sealed partial class KnownPullSecrets(ReadPullSecretNames read, TimeProvider time, ILogger<KnownPullSecrets> logger)
{
    /// <summary>How long a copy is good: a pod's pull may come a moment after the pod.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>How long Postgres may take, and how long it is left alone after it did not answer: a pull waits for this.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private Snapshot last = new(new Dictionary<string, IReadOnlyList<PullSecret>>(), DateTimeOffset.MinValue, IsAnswer: true);
    private Task<Snapshot>? refresh;

    /// <summary>The secrets that pods bring for this repository; none when no pod does, or none is known yet.</summary>
    /// <param name="image">Any image of the repository.</param>
    /// <param name="ct">Ends the waiting, not the reading, which others may wait for too.</param>
    public async Task<IReadOnlyList<PullSecret>> For(ImageReference image, CancellationToken ct) =>
        (await Latest().WaitAsync(ct)).ByRepository.GetValueOrDefault(image.Name) ?? [];

    private Task<Snapshot> Latest()
    {
        lock (gate)
        {
            if (refresh is { IsCompleted: true } done)
                (last, refresh) = (done.IsCompletedSuccessfully ? done.Result : last, null);
            if (refresh is null && last.FreshUntil > time.GetUtcNow())
                return Task.FromResult(last);
            return refresh ??= Task.Run(() => Refresh(last));
        }
    }

    private async Task<Snapshot> Refresh(Snapshot before)
    {
        using var limit = new CancellationTokenSource(Patience, time);
        try
        {
            var names = await read(limit.Token).WaitAsync(limit.Token);
            return new Snapshot(names, time.GetUtcNow() + Fresh, IsAnswer: true);
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            if (before.IsAnswer)
                LogKept(before.ByRepository.Count, error is NpgsqlException ? error.Message : "no answer in time");
            return new Snapshot(before.ByRepository, time.GetUtcNow() + 5 * Patience, IsAnswer: false);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Postgres did not say which pull secrets there are ({Reason}): what was known before is used, for {Count} repositories")]
    private partial void LogKept(int count, string reason);

    private sealed record Snapshot(IReadOnlyDictionary<string, IReadOnlyList<PullSecret>> ByRepository, DateTimeOffset FreshUntil, bool IsAnswer);
}
