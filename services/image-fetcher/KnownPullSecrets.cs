using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>Reads which secrets pods bring for each image.</summary>
/// <exception cref="NpgsqlException">Postgres is not there.</exception>
public delegate Task<IReadOnlyDictionary<string, IReadOnlyList<PullSecret>>> ReadPullSecretNames(CancellationToken ct);

/// <summary>
/// Which secrets fit which image: a copy of what the usage table says, replaced whole, and kept while Postgres does not answer. Injected as a singleton.
/// <para>A tag is opened by the secrets of the pods that use this very tag, and by no other: a pod that names another tag of a repository gets nothing by
/// the secrets of another namespace, as without Kuik. (What is cached is served to all, as an image on a node is.) A digest, which nobody can guess and
/// which is all that a runtime names of an image's parts, is opened by whatever pods bring for the repository; and so is every tag while Postgres does not
/// answer, because new pods cannot be seen then: a private image must still pull.</para>
/// </summary>
public sealed partial class KnownPullSecrets(ReadPullSecretNames read, TimeProvider time, ILogger<KnownPullSecrets> logger)
{
    /// <summary>How long a copy is good: a pod's pull may come a moment after the pod.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>How long Postgres may take, and how long it is left alone after it did not answer: a pull waits for this.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private Snapshot last = new(new Dictionary<string, IReadOnlyList<PullSecret>>(), [], DateTimeOffset.MinValue, IsAnswer: true);
    private Task<Snapshot>? refresh;

    /// <summary>The secrets that fit; none when no pod brings any, or none is known yet.</summary>
    /// <param name="image">By its tag; or by a digest, its own or that of something it consists of.</param>
    /// <param name="ct">Ends the waiting, not the reading, which others may wait for too.</param>
    public async Task<IReadOnlyList<PullSecret>> For(ImageReference image, CancellationToken ct)
    {
        var latest = await Latest().WaitAsync(ct);
        return image.Tag is not null && latest.IsAnswer
            ? latest.ByImage.GetValueOrDefault(image.ToString()) ?? []
            : latest.ByRepository.GetValueOrDefault(image.Name) ?? [];
    }

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
            return new Snapshot(names, Group(names), time.GetUtcNow() + Fresh, IsAnswer: true);
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            if (before.IsAnswer)
                LogKept(before.ByRepository.Count, error is NpgsqlException ? error.Message : "no answer in time");
            return before with { FreshUntil = time.GetUtcNow() + 5 * Patience, IsAnswer = false };
        }
        catch (Exception error)
        {
            // Unlike Postgres being away, this is no reason to open tags by the secrets of other pods.
            LogUnforeseen(ExceptionSummary.WithStack(error));
            return before with { FreshUntil = time.GetUtcNow() + 5 * Patience };
        }
    }

    // A reference that this version does not accept is the business of its own image only.
    private static Dictionary<string, IReadOnlyList<PullSecret>> Group(IReadOnlyDictionary<string, IReadOnlyList<PullSecret>> byImage) => byImage
        .GroupBy(entry => ImageReference.TryParse(entry.Key, out var image, out _) ? image.Name : "", entry => entry.Value)
        .ToDictionary(images => images.Key, images => (IReadOnlyList<PullSecret>)[.. images.SelectMany(secrets => secrets).Distinct()]);

    [LoggerMessage(LogLevel.Warning, "Postgres did not say which pull secrets there are ({Reason}): what was known before is used, for {Count} repositories")]
    private partial void LogKept(int count, string reason);

    [LoggerMessage(LogLevel.Error, "which pull secrets there are could not be read, and what was known before is used: {Fault}")]
    private partial void LogUnforeseen(string fault);

    private sealed record Snapshot(
        IReadOnlyDictionary<string, IReadOnlyList<PullSecret>> ByImage, Dictionary<string, IReadOnlyList<PullSecret>> ByRepository, DateTimeOffset FreshUntil, bool IsAnswer);
}
