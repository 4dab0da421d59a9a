using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>
/// Records what the cache registry holds and the log does not say: after the loss or an older restore of Postgres, and of copies that could
/// not be recorded. Once after the start, then once in <see cref="VerificationOptions.Interval"/>, in every replica. Nothing is copied
/// and no origin is asked for an image that is whole.
/// <para>1. List repositories and their tags. 2. Select what the log does not say. 3. Under the repository's lock, which orders it with
/// evictions: look at each, decide, record.</para>
/// </summary>
public sealed partial class CacheAdoptionService(
    EventLogTransactions log, EventLogReady ready, CacheInspector inspector, RepositoryLocks locks, VerificationOptions options,
    FetcherMetrics metrics, TimeProvider time, ILogger<CacheAdoptionService> logger) : BackgroundService
{
    /// <summary>Repositories listed at a time, and images that the log is asked about at a time.</summary>
    private const int PageSize = 200;

    /// <summary>After the start: the registry may start at the same time, and pods of a whole cluster are recorded first.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMinutes(5);

    private readonly LastFault _lastFault = new();

    /// <summary>The event to append; null when the log says enough of the image, or the cache lacks a part of one that is requested
    /// already.</summary>
    /// <param name="image">Its state.</param>
    /// <param name="name">The normalised reference.</param>
    /// <param name="content">The copy in the cache; null when a part is missing.</param>
    /// <param name="now">UTC, by the database's clock.</param>
    public static object? Decide(ImageState image, string name, CopiedImage? content, DateTimeOffset now) => (image, content) switch
    {
        ({ CanBeAdopted: false }, _) => null,
        (_, { } whole) => new ImageAdopted(
            name, whole.Digest, whole.MediaType, whole.Platforms, whole.MissingPlatforms, whole.SizeInBytes, image.Attempt + 1, now),
        ({ IsWanted: true }, null) => null,
        _ => new RequestedByPull(name, now),   // a pull began it: it is completed, and expires like any other
    };

    /// <summary>Looks at all of the registry once.</summary>
    /// <returns>How many events were recorded.</returns>
    /// <exception cref="CopyException">The cache registry does not answer, or has no list of repositories.</exception>
    public async Task<int> AdoptAll(CancellationToken ct)
    {
        var recorded = 0;
        for (var last = ""; ;)
        {
            // 1.
            var page = await inspector.RepositoriesAfter(last, PageSize, ct);
            if (page.Count == 0 || page[^1] == last)
                break;
            foreach (var repository in page)
                recorded += await Adopt(repository, ct);
            last = page[^1];
        }
        if (recorded > 0)
            LogAdopted(recorded);
        return recorded;
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await ready.Wait(stoppingToken);
        await Task.Delay(options.Interval < FirstPause ? options.Interval : FirstPause, time, stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            var pause = options.Interval;
            try
            {
                await AdoptAll(stoppingToken);
                _lastFault.Clear();
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                _lastFault.Report(fault, LogPutOff, LogUnforeseen);
                pause = options.Interval < PauseAfterFailure ? options.Interval : PauseAfterFailure;
            }
            await Task.Delay(pause, time, stoppingToken);
        }
    }

    private async Task<int> Adopt(string repository, CancellationToken ct)
    {
        // 2.
        var unrecorded = new List<ImageReference>();
        foreach (var some in (await inspector.ImagesIn(repository, ct)).Chunk(PageSize))
            unrecorded.AddRange(await log.Execute(transaction => Unrecorded(transaction, some, ct), ct));
        if (unrecorded.Count == 0)
            return 0;

        // 3.
        await using var held = await locks.Take(repository, ct);
        var recorded = 0;
        foreach (var image in unrecorded)
        {
            var content = await inspector.Describe(image, ct);
            await held.EnsureHeld(ct);
            var fact = await log.Execute(transaction => Record(transaction, image.ToString(), content, ct), ct);
            if (fact is null)
                continue;
            metrics.CountAdoption(fact is ImageAdopted ? "adopted" : "requested");
            recorded++;
        }
        return recorded;
    }

    private static async Task<IReadOnlyList<ImageReference>> Unrecorded(
        EventLogTransaction transaction, IReadOnlyList<ImageReference> images, CancellationToken ct)
    {
        var streams = await transaction.ReadImages([.. images.Select(image => image.ToString())], ct);
        return [.. images.Zip(streams).Where(pair => pair.Second.State.CanBeAdopted).Select(pair => pair.First)];
    }

    private static async Task<object?> Record(EventLogTransaction transaction, string image, CopiedImage? content, CancellationToken ct)
    {
        var stream = await transaction.ReadImage(image, ct);
        var fact = Decide(stream.State, image, content, await transaction.Now(ct));
        if (fact is not null)
            stream.Append(fact);
        return fact;
    }

    [LoggerMessage(LogLevel.Information, "{Count} images in the cache registry that the event log did not have are recorded")]
    private partial void LogAdopted(int count);

    [LoggerMessage(LogLevel.Warning, "what the cache registry holds without a record is not adopted until this is over: {Reason}")]
    private partial void LogPutOff(string reason);

    [LoggerMessage(LogLevel.Error, "what the cache registry holds without a record could not be adopted, which is tried again: {Fault}")]
    private partial void LogUnforeseen(string fault);
}
