using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// The names of the pull secrets for an image, from the usage table: one indexed query for each image, with its result used for a
/// second. A singleton.
/// <para>A tag is pulled with the secrets of the pods that use this very tag, and no others: a pod that names another tag of a repository
/// gains nothing from the secrets of another namespace, as without Kuik. (Cached content is served to all, as an image on a node is.) A
/// digest, which cannot be guessed and which is the only name by which a runtime requests parts of an image, is pulled with the secrets of
/// all pods that use the repository.</para>
/// <para>A slow query is waited for, and continues in the background; late results are used. While there is no result, the last one for
/// exactly this image is used. Only if <c>Kuik:Fetch:OpenTagsWithoutPostgres</c> is true, and only while connections are refused or broken,
/// a tag is pulled with the remembered secrets of other images of its repository: new pods are unknown then.</para>
/// </summary>
public sealed partial class PullSecretCache(ReadPullSecretNames read, FetcherOptions options, TimeProvider time,
    ILogger<PullSecretCache> logger) : IDisposable
{
    /// <summary>How long a result is used: a pod's pull may come a moment after the pod.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>How long a caller waits for Postgres.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long Postgres is not asked again about an image after a failure.</summary>
    public static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(5);

    /// <summary>The time limit of a query in the background.</summary>
    internal static readonly TimeSpan LongestRead = TimeSpan.FromMinutes(1);

    /// <summary>The limit of images whose results are kept; the least recently requested are removed.</summary>
    internal const int MostKept = 20_000;

    private const int MostReads = 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Known> _known = [];
    private readonly SemaphoreSlim _reads = new(MostReads);
    private volatile bool _isDisconnected;

    /// <summary>True while tags are pulled with the secrets of other images of their repositories.</summary>
    public bool OpensTags => options.OpenTagsWithoutPostgres && _isDisconnected;

    /// <summary>The secrets for an image; empty when its pods have none, or none is known.</summary>
    /// <param name="image">By its tag; or by a digest: its own, or that of one of its manifests or blobs.</param>
    /// <param name="ct">Cancels the wait, not the query, which others may wait for too.</param>
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
        lock (_gate)
            return (image.Tag is null ? entry.Secrets is null : OpensTags) ? OfRepository(image.Name) : entry.Secrets ?? [];
    }

    public void Dispose() => _reads.Dispose();

    private (Known Entry, Task Reading) Begin(ImageReference image)
    {
        var key = image.Tag is null ? image.Name : image.ToString();
        lock (_gate)
        {
            if (!_known.TryGetValue(key, out var entry))
            {
                MakeRoom();
                _known.Add(key, entry = new Known(image));
            }
            entry.AskedAt = time.GetUtcNow();
            if (entry.Reading.IsCompleted && entry.FreshUntil <= entry.AskedAt)
                entry.Reading = Task.Run(() => Read(entry));
            return (entry, entry.Reading);
        }
    }

    /// <summary>The remembered secrets of a repository's images: for a digest, a substitute for a missing result.</summary>
    private IReadOnlyList<PullSecret> OfRepository(string name) =>
        [.. _known.Values.Where(one => one.Image.Name == name).SelectMany(one => one.Secrets ?? []).Distinct()];

    private void MakeRoom()
    {
        if (_known.Count < MostKept)
            return;
        var idle = _known.Where(entry => entry.Value.Reading.IsCompleted).OrderBy(entry => entry.Value.AskedAt);
        foreach (var old in idle.Take(MostKept / 2).ToList())
            _known.Remove(old.Key);
    }

    private async Task Read(Known entry)
    {
        using var limit = new CancellationTokenSource(LongestRead, time);
        try
        {
            await _reads.WaitAsync(limit.Token);
            try
            {
                Answered(entry, await read(entry.Image, limit.Token));
            }
            finally
            {
                _reads.Release();
            }
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            Unanswered(entry, EventLogFault.MeansDisconnected(error));
            LogKept(entry.Image, error is NpgsqlException ? EventLogFault.ReasonOf(error) : "no answer in time");
        }
        catch (Exception error)
        {
            // Unlike an unreachable Postgres this is no reason to use the secrets of other images of the repository.
            Unanswered(entry, _isDisconnected);
            LogUnforeseen(entry.Image, ExceptionSummary.WithStack(error));
        }
    }

    private void Answered(Known entry, IReadOnlyList<PullSecret> secrets)
    {
        lock (_gate)
            (entry.Secrets, entry.FreshUntil, _isDisconnected) = (secrets, time.GetUtcNow() + Fresh, false);
    }

    private void Unanswered(Known entry, bool isNowDisconnected)
    {
        lock (_gate)
            (entry.FreshUntil, _isDisconnected) = (time.GetUtcNow() + PauseAfterFailure, isNowDisconnected);
    }

    [LoggerMessage(LogLevel.Warning,
        "Query of the pull secrets of {Image} took longer than {Seconds} s; the last known ones are used")]
    private partial void LogLate(ImageReference image, double seconds);

    [LoggerMessage(LogLevel.Warning,
        "Query of the pull secrets of {Image} failed ({Reason}); the last known ones are used")]
    private partial void LogKept(ImageReference image, string reason);

    [LoggerMessage(LogLevel.Error,
        "Query of the pull secrets of {Image} failed unexpectedly; the last known ones are used: {Fault}")]
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
