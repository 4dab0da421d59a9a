using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Takes a person's wishes from CachedImages: one made by hand, <c>spec.retain</c>, a deletion seen as it happens. That a resource is absent
/// from a list is no wish: it is written again. A resource under another name than its image's is replaced by one with the right name.
/// </summary>
internal sealed partial class ObserveCachedImages(
    KubernetesApi api, Reflector<CachedImage, CachedImage> resources, ImageViews views, DirtySet dirty, OwnDeletions ownDeletions,
    EventLogTransactions transactions, TimeProvider time, ILogger<ObserveCachedImages> logger)
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, Wish> settled = [];
    private readonly Dictionary<string, HashSet<string>> misnamed = [];
    private readonly HashSet<string> again = [];

    /// <summary>What an image's stream lacks, given a resource for it.</summary>
    /// <param name="log">What the log says of the image.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="resource">As it is.</param>
    /// <param name="now">UTC.</param>
    public static IEnumerable<object> Decide(ImageState log, string image, CachedImage resource, DateTimeOffset now)
    {
        // Ours always has a status: one without is new. An expired image's own resource asks for nothing while it is on its way out.
        var isNew = resource.Status?.Phase is null;
        var retain = resource.Spec!.Retain == true;
        if (!log.IsWanted)
        {
            if (!isNew && !retain && log.Phase != ImagePhase.Unknown)
                yield break;
            yield return new RequestedByPerson(image, resource.Spec.SourceImage!, resource.Metadata.Name!, now);
        }
        if (retain && !log.IsRetained)
            yield return new ImageRetained(image, now);
        else if (!retain && log.IsRetained && resource.Metadata.Name == log.ObjectName)
            yield return new ImageReleased(image, now);
    }

    /// <summary>What follows from the deletion of a resource: the request of a person is withdrawn. Whether the image expires then is decided
    /// by <see cref="ExpireImages"/>, as ever.</summary>
    /// <param name="log">The image's state.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="name">The name of the resource that was deleted.</param>
    /// <param name="now">UTC.</param>
    public static ImageForgotten? DecideDeleted(ImageState log, string image, string name, DateTimeOffset now) =>
        log.IsWanted && !log.IsForgotten && log.ObjectName == name ? new ImageForgotten(image, now) : null;

    /// <summary>Compares and records until cancelled. A fault of Postgres flies.</summary>
    public async Task Run(CancellationToken ct)
    {
        var next = resources.TakeChanges(ct);
        while (true)
        {
            await Task.WhenAny(next, again.Count == 0 ? next : Task.Delay(RetryInterval, time, ct));
            ct.ThrowIfCancellationRequested();
            var changes = Changes<CachedImage>.None;
            if (next.IsCompleted)
            {
                changes = await next;
                next = resources.TakeChanges(ct);
            }
            foreach (var (name, last) in changes.Deleted)
                await SettleDeleted(name, last, ct);
            foreach (var name in (changes.Listed ? resources.State.Keys : changes.Keys).Union(again).ToArray())
                await Settle(name, ct);
            if (changes.Listed)
                dirty.Mark(views.All.Select(view => view.Image));
        }
    }

    private async Task SettleDeleted(string name, CachedImage last, CancellationToken ct)
    {
        if (ownDeletions.Remove(last.Metadata.Uid!) || !ImageReference.TryParse(last.Spec?.SourceImage ?? "", out var image, out _))
            return;
        var isForgotten = await transactions.Run(
            async log =>
            {
                var stream = await log.ReadImage(image.ToString(), ct);
                if (DecideDeleted(stream.State, image.ToString(), name, await log.Now(ct)) is not { } forgotten)
                    return false;
                stream.Append(forgotten);
                return true;
            },
            ct);
        if (isForgotten)
            LogDeleted(name, image.ToString());
    }

    private async Task Settle(string name, CancellationToken ct)
    {
        // 1. Whatever happened to it: what we show there has to be looked at.
        again.Remove(name);
        if (views.ImageNamed(name) is { } shown)
            dirty.Mark(shown);
        if (resources.State.GetValueOrDefault(name) is not { } resource)
        {
            settled.Remove(name);
            return;
        }

        // 2. The same wish as before: our own writes end here.
        var wish = new Wish(resource.Metadata.Uid!, resource.Spec?.SourceImage ?? "", resource.Spec?.Retain == true);
        if (settled.GetValueOrDefault(name) == wish)
            return;
        try
        {
            if (ImageReference.TryParse(wish.SourceImage, out var image, out var problem))
                await Record(resource, image, ct);
            else
                await Refuse(resource, problem, ct);
            settled[name] = wish;
        }
        catch (Exception fault) when (fault is KubernetesRefused or HttpRequestException or IOException || (fault is OperationCanceledException && !ct.IsCancellationRequested))
        {
            LogAgain(name, fault.Message);
            again.Add(name);
        }
    }

    private async Task Record(CachedImage resource, ImageReference image, CancellationToken ct)
    {
        var name = resource.Metadata.Name!;
        var (rightName, facts) = await transactions.Run(
            async log =>
            {
                var now = time.GetUtcNow();
                var stream = await log.ReadImage(image.ToString(), ct);
                var recorded = Append(stream, Decide(stream.State, image.ToString(), resource, now));
                return (await NameImage.In(log, stream, image, now, ct), recorded);
            },
            ct);
        foreach (var fact in facts)
            LogWish(name, fact.GetType().Name, image.ToString());

        dirty.Mark(image.ToString());
        if (name != rightName)
        {
            if (!misnamed.TryGetValue(image.ToString(), out var names))
                misnamed.Add(image.ToString(), names = []);
            names.Add(name);
        }
        if (misnamed.TryGetValue(image.ToString(), out var wrong) && resources.State.GetValueOrDefault(rightName) is { } right)
        {
            foreach (var other in wrong.Select(resources.State.GetValueOrDefault).OfType<CachedImage>())
                await Replace(other, right, ct);
            misnamed.Remove(image.ToString());
        }
    }

    // v1's "force name": the resource with the right name takes over the wish, then the other one goes.
    private async Task Replace(CachedImage other, CachedImage right, CancellationToken ct)
    {
        if (other.Spec?.Retain == true && right.Spec?.Retain != true)
        {
            var retain = new CachedImage { Metadata = new ObjectMeta(), Spec = new CachedImageSpec { Retain = true } };
            await api.Merge($"{CachedImage.Path}/{right.Metadata.Name}?fieldManager={WriteCachedImages.RetainManager}", retain, KubernetesJson.Default.CachedImage, ct);
        }
        ownDeletions.Add(other.Metadata.Uid!);
        await api.Delete($"{CachedImage.Path}/{other.Metadata.Name}", other.Metadata.Uid!, ct);
        LogReplaced(other.Metadata.Name!, right.Metadata.Name!);
    }

    private async Task Refuse(CachedImage resource, string problem, CancellationToken ct)
    {
        var status = new CachedImage
        {
            Metadata = new ObjectMeta { Name = resource.Metadata.Name, Uid = resource.Metadata.Uid },
            Status = new CachedImageStatus { LastError = $"spec.sourceImage \"{resource.Spec?.SourceImage}\" is not an image reference: {problem}" },
        };
        await api.Apply($"{CachedImage.Path}/{resource.Metadata.Name}/status", status, WriteCachedImages.StatusManager, KubernetesJson.Default.CachedImage, ct);
    }

    private static object[] Append(EventStream<ImageState> stream, IEnumerable<object> decided)
    {
        object[] facts = [.. decided];
        foreach (var fact in facts)
            stream.Append(fact);
        return facts;
    }

    /// <summary>What a person can decide on a resource. While it stays the same, nothing follows from a change of the resource.</summary>
    private sealed record Wish(string Uid, string SourceImage, bool Retain);

    [LoggerMessage(Level = LogLevel.Information, Message = "CachedImage {Name}: {Fact} recorded for {Image}")]
    private partial void LogWish(string name, string fact, string image);

    [LoggerMessage(Level = LogLevel.Information, Message = "CachedImage {Name} was deleted: {Image} leaves the cache, unless a pod uses it or it is retained")]
    private partial void LogDeleted(string name, string image);

    [LoggerMessage(Level = LogLevel.Information, Message = "CachedImage {Name} is replaced by {RightName}, the name of its image")]
    private partial void LogReplaced(string name, string rightName);

    [LoggerMessage(Level = LogLevel.Warning, Message = "CachedImage {Name} could not be dealt with ({Reason}); trying again")]
    private partial void LogAgain(string name, string reason);
}
