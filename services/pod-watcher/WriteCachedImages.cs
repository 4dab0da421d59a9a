using System.Collections.Concurrent;
using System.Net;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Makes every CachedImage say what the log says, with server-side apply as <c>kuik</c>: only where it does not yet, at most once a second an image.
/// The resources carry no finalizer and hold no fact: deleted ones are written again.
/// <para>1. Read the views that changed. 2. Of each image marked: what should be, what is. 3. Name, write, or delete.</para>
/// </summary>
internal sealed partial class WriteCachedImages(
    KubernetesApi api, Reflector<CachedImage, CachedImage> resources, ImageViews views, KnownPods known, DirtySet dirty,
    DirtySet dirtyRepositories, OwnDeletions ownDeletions, EventLogTransactions transactions, TimeProvider time, ILogger<WriteCachedImages> logger)
{
    /// <summary>Who owns the fields of metadata and spec that this service writes.</summary>
    public const string FieldManager = "kuik";

    /// <summary>
    /// Who owns the status. Not the same: before Kubernetes 1.22 a manager's fields are not kept apart by subresource, so each apply of one half would
    /// give up the other half, and what is later left out of that one would stay for ever.
    /// </summary>
    public const string StatusManager = "kuik-status";

    /// <summary>Who owns <c>spec.retain</c> where this service has to put it back: the owner of applied fields would take it away again with the next apply.</summary>
    public const string RetainManager = "kuik-retain";

    private const int ImagesAPass = 100;
    private const int Concurrency = 4;
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, string> problems = new();

    /// <summary>Why some resources are not as they should be; null when all of them are.</summary>
    public string? Problem => problems.IsEmpty ? null : $"{problems.Count} CachedImages cannot be written: {problems.Values.FirstOrDefault()}";

    /// <summary>Writes until cancelled. A fault of Postgres flies.</summary>
    public async Task Run(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Pace, time);
        do
            await Pass(ct);
        while (await timer.WaitForNextTickAsync(ct));
    }

    /// <summary>One pass over what has changed.</summary>
    public async Task Pass(CancellationToken ct)
    {
        if (!resources.IsListed)
            return;
        var news = await views.Refresh(ct);
        dirty.Mark(news);
        dirtyRepositories.Mark(news.Select(image => ImageReference.Parse(image).Name));
        var changed = dirty.Take(ImagesAPass).Select(views.Find).OfType<ImageView>();
        await Parallel.ForEachAsync(changed, new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = ct }, async (view, token) => await TryWrite(view, token));
    }

    private async Task TryWrite(ImageView view, CancellationToken ct)
    {
        try
        {
            await Write(view, ct);
            problems.TryRemove(view.Image, out _);
        }
        catch (Exception fault) when (fault is KubernetesRefused or HttpRequestException or IOException || (fault is OperationCanceledException && !ct.IsCancellationRequested))
        {
            if (fault is KubernetesRefused && problems.GetValueOrDefault(view.Image) != fault.Message)   // an API that is away is the reflectors' to report
                LogNotWritten(view.Image, fault.Message);
            problems[view.Image] = fault.Message;
            dirty.Mark(view.Image);   // the next pass tries again
        }
    }

    private async Task Write(ImageView view, CancellationToken ct)
    {
        if (view.Stage == ImageStage.Evicted && view.ObjectName is null)
            return;
        var name = view.ObjectName ?? await Name(view, ct);
        var actual = resources.State.GetValueOrDefault(name);
        var (count, pods) = known.UsersOf(view.Image, ShowImage.PodsNamed);
        if (ShowImage.Desired(view, name, count, pods) is { } desired)
            await Write(view, actual, desired, ct);
        else if (actual?.Status?.Phase is not null)   // without one it is new, and a person's: ObserveCachedImages takes it up
            await Delete(actual, ct);
    }

    private async Task Write(ImageView view, CachedImage? actual, CachedImage desired, CancellationToken ct)
    {
        if (actual is null && view.IsRetained)
            actual = await PutBack(desired, ct);
        if (actual is null || !ShowImage.Says(actual, desired))
        {
            var path = $"{CachedImage.Path}/{desired.Metadata.Name}";
            // With its uid, a resource that is deleted at this moment is not brought back half.
            var spec = desired with { Metadata = desired.Metadata with { Uid = actual?.Metadata.Uid }, Status = null };
            var written = await api.Apply(path, spec, FieldManager, KubernetesJson.Default.CachedImage, ct);
            if (!ShowImage.SaysStatus(written.Status, desired.Status))
            {
                var status = desired with { Metadata = new ObjectMeta { Name = desired.Metadata.Name, Uid = written.Metadata.Uid }, Spec = null };
                await api.Apply(path + "/status", status, StatusManager, KubernetesJson.Default.CachedImage, ct);
            }
        }
    }

    private async Task<CachedImage?> PutBack(CachedImage desired, CancellationToken ct)
    {
        try
        {
            var kept = new CachedImage { Metadata = new ObjectMeta { Name = desired.Metadata.Name }, Spec = new CachedImageSpec { SourceImage = desired.Spec!.SourceImage, Retain = true } };
            return await api.Create($"{CachedImage.Path}?fieldManager={RetainManager}", kept, KubernetesJson.Default.CachedImage, ct);
        }
        catch (KubernetesRefused refusal) when (refusal.Status == HttpStatusCode.Conflict)
        {
            return null;   // somebody was quicker, and decides about retain
        }
    }

    private async Task<string> Name(ImageView view, CancellationToken ct) => await transactions.Run(
        async log =>
        {
            var stream = await log.ReadImage(view.Image, ct);
            return await NameImage.In(log, stream, ImageReference.Parse(view.Image), time.GetUtcNow(), ct);
        },
        ct);

    private async Task Delete(CachedImage resource, CancellationToken ct)
    {
        ownDeletions.Add(resource.Metadata.Uid!);
        await api.Delete($"{CachedImage.Path}/{resource.Metadata.Name}", resource.Metadata.Uid!, ct);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the CachedImage of {Image} cannot be written ({Reason}); trying again")]
    private partial void LogNotWritten(string image, string reason);
}

/// <summary>Resources that this service deletes itself, so that it does not take it for a person's wish when it sees them go.</summary>
internal sealed class OwnDeletions
{
    private readonly ConcurrentDictionary<string, bool> uids = new();

    /// <summary>About to be deleted.</summary>
    public void Add(string uid) => uids[uid] = true;

    /// <summary>Seen to be gone: was it one of ours? Forgets it.</summary>
    public bool Remove(string uid) => uids.TryRemove(uid, out _);
}
