using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>Reads which secrets pods bring: for an image by tag, those of the pods that use this tag; for one by digest, those of the pods
/// that use its repository.</summary>
/// <exception cref="NpgsqlException">Postgres is unreachable, or did not answer.</exception>
public delegate Task<IReadOnlyList<PullSecret>> ReadPullSecretNames(ImageReference image, CancellationToken ct);

/// <summary>
/// Which secrets fit which image, as the usage table says: one indexed query for each image that is asked for, its answer used for a
/// second. Injected as a singleton.
/// <para>A tag is opened by the secrets of the pods that use this very tag, and by no other: a pod that names another tag of a repository gets nothing by
/// the secrets of another namespace, as without Kuik. (What is cached is served to all, as an image on a node is.) A digest, which cannot
/// be guessed and which is all that a runtime names of an image's parts, is opened by what pods bring for the repository.</para>
/// <para>A Postgres that is slow is waited for, in the background too; what comes late is taken. While there is no answer, the last one for
/// exactly this image counts. Only where <c>Kuik:Fetch:OpenTagsWithoutPostgres</c> says so, and only while connections are refused or
/// broken, a tag is opened by what is remembered for other images of its repository: new pods cannot be seen then.</para>
/// </summary>
public sealed partial class PullSecretCache(ReadPullSecretNames read, FetcherOptions settings, TimeProvider time,
    ILogger<PullSecretCache> logger) : IDisposable
{
    /// <summary>How long an answer is good: a pod's pull may come a moment after the pod.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>How long a caller waits for Postgres.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long Postgres is not asked again about an image after it did not answer.</summary>
    public static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(5);

    /// <summary>How long an answer is waited for in the background.</summary>
    internal static readonly TimeSpan LongestRead = TimeSpan.FromMinutes(1);

    /// <summary>Images whose answers are remembered; those not asked for the longest time are forgotten.</summary>
    internal const int MostKept = 20_000;

    private const int MostReads = 8;

    private readonly Lock gate = new();
    private readonly Dictionary<string, Known> known = [];
    private readonly SemaphoreSlim reads = new(MostReads);
    private volatile bool isDisconnected;

    /// <summary>Are tags opened by the secrets of their repositories now?</summary>
    public bool OpensTags => settings.OpenTagsWithoutPostgres && isDisconnected;

    /// <summary>The secrets that fit; none when no pod brings any, or none is known for this image.</summary>
    /// <param name="image">By its tag; or by a digest, its own or that of something it consists of.</param>
    /// <param name="ct">Ends the waiting, not the reading, which others may wait for too.</param>
    public async Task<IReadOnlyList<PullSecret>> For(ImageReference image, CancellationToken ct)
    {
        var (entry, reading) = Begin(image);
        try
        {
            await reading.WaitAsync(Patience, time, ct);
        }
        catch (TimeoutException)
        {
            LogLate(image, Patience.TotalSeconds);
        }
        lock (gate)
            return (image.Tag is null ? entry.Secrets is null : OpensTags) ? OfRepository(image.Name) : entry.Secrets ?? [];
    }

    public void Dispose() => reads.Dispose();

    private (Known Entry, Task Reading) Begin(ImageReference image)
    {
        var key = image.Tag is null ? image.Name : image.ToString();
        lock (gate)
        {
            if (!known.TryGetValue(key, out var entry))
            {
                MakeRoom();
                known.Add(key, entry = new Known(image));
            }
            entry.AskedAt = time.GetUtcNow();
            if (entry.Reading.IsCompleted && entry.FreshUntil <= entry.AskedAt)
                entry.Reading = Task.Run(() => Read(entry));
            return (entry, entry.Reading);
        }
    }

    /// <summary>What is remembered of a repository's images: for a digest, a part of the answer that is not there yet.</summary>
    private IReadOnlyList<PullSecret> OfRepository(string name) =>
        [.. known.Values.Where(one => one.Image.Name == name).SelectMany(one => one.Secrets ?? []).Distinct()];

    private void MakeRoom()
    {
        if (known.Count < MostKept)
            return;
        var idle = known.Where(entry => entry.Value.Reading.IsCompleted).OrderBy(entry => entry.Value.AskedAt);
        foreach (var old in idle.Take(MostKept / 2).ToList())
            known.Remove(old.Key);
    }

    private async Task Read(Known entry)
    {
        using var limit = new CancellationTokenSource(LongestRead, time);
        try
        {
            await reads.WaitAsync(limit.Token);
            try
            {
                Answered(entry, await read(entry.Image, limit.Token));
            }
            finally
            {
                reads.Release();
            }
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            Unanswered(entry, EventLogFault.MeansDisconnected(error));
            LogKept(entry.Image, error is NpgsqlException ? EventLogFault.ReasonOf(error) : "no answer in time");
        }
        catch (Exception error)
        {
            // Unlike an unreachable Postgres this is no reason to open tags by the secrets of other pods.
            Unanswered(entry, isDisconnected);
            LogUnforeseen(entry.Image, ExceptionSummary.WithStack(error));
        }
    }

    private void Answered(Known entry, IReadOnlyList<PullSecret> secrets)
    {
        lock (gate)
            (entry.Secrets, entry.FreshUntil, isDisconnected) = (secrets, time.GetUtcNow() + Fresh, false);
    }

    private void Unanswered(Known entry, bool isNowDisconnected)
    {
        lock (gate)
            (entry.FreshUntil, isDisconnected) = (time.GetUtcNow() + PauseAfterFailure, isNowDisconnected);
    }

    [LoggerMessage(LogLevel.Warning,
        "Postgres has not said within {Seconds} s which pull secrets fit {Image}: the last answer is used, if there was one")]
    private partial void LogLate(ImageReference image, double seconds);

    [LoggerMessage(LogLevel.Warning,
        "Postgres did not say which pull secrets fit {Image} ({Reason}): the last answer is used, if there was one")]
    private partial void LogKept(ImageReference image, string reason);

    [LoggerMessage(LogLevel.Error,
        "which pull secrets fit {Image} could not be read, and the last answer is used, if there was one: {Fault}")]
    private partial void LogUnforeseen(ImageReference image, string fault);

    private sealed class Known(ImageReference image)
    {
        public ImageReference Image { get; } = image;

        /// <summary>Null until Postgres has answered once.</summary>
        public IReadOnlyList<PullSecret>? Secrets { get; set; }

        public DateTimeOffset FreshUntil { get; set; } = DateTimeOffset.MinValue;

        public DateTimeOffset AskedAt { get; set; }

        public Task Reading { get; set; } = Task.CompletedTask;
    }
}
