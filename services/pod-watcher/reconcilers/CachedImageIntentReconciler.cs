using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Records the intents that people express by CachedImages: creation, <c>spec.retain</c>, and a deletion that the watch reports. A resource
/// that is only absent from a list is written again. A resource whose name is not that of its image is replaced by one with the right name.
/// </summary>
internal sealed partial class CachedImageIntentReconciler(
    RateLimitedApi api, Reflector<CachedImage, CachedImage> resources, ImageViews views, WorkQueue queue, WorkQueue images,
    OwnDeletions ownDeletions, RecordedIntents wishes,
    EventLogTransactions transactions, WatcherMetrics metrics, ILogger<CachedImageIntentReconciler> logger) : IReconciler
{
    private readonly ConcurrentDictionary<string, CachedImage> _deleted = new();
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, bool>> _misnamed = new();
    private readonly RefreshAnnotations _annotations = new();

    /// <summary>The events that follow from a resource.</summary>
    /// <param name="log">The recorded state of the image.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="resource">The current resource.</param>
    /// <param name="isUsed">Something uses the image: then <c>spec.expiresAt</c> has no effect.</param>
    /// <param name="before">The intent that was recorded before; null for none.</param>
    /// <param name="now">UTC.</param>
    public static IEnumerable<object> Decide(
        ImageState log, string image, CachedImage resource, bool isUsed, ImageIntent? before, DateTimeOffset now)
    {
        // A resource that Kuik created or took over requests nothing while its expired image is being evicted, unless a person has changed
        // spec.sourceImage to another image.
        var isNew = !resource.Managers.IsTakenUp || (log.ObjectName is not null && resource.Metadata.Name != log.ObjectName);
        var retain = resource.Spec!.Retain == true;
        if (!log.IsWanted)
        {
            if (!isNew && !retain && log.Phase != ImagePhase.Unknown)
                yield break;
            yield return new RequestedByPerson(image, resource.Spec.SourceImage!, resource.Metadata.Name!, now)
            { FieldManager = resource.Managers.SourceImage };
        }
        if (retain && !log.IsRetained)
            yield return new ImageRetained(image, now) { FieldManager = resource.Managers.Retain };
        else if (!retain && log.IsRetained && resource.Metadata.Name == log.ObjectName)
            yield return new ImageReleased(image, now) { FieldManager = resource.Managers.Retain };
        if (resource.IsRefreshRequested)
            yield return new RefreshRequested(image, now) { FieldManager = resource.Managers.ForceUpdate };
        if (retain)
            yield break;
        if (resource.Managers.ExpiresAt is { } manager && resource.Spec.ExpiresAt is { } at && at != log.ExpiresAt && !isUsed)
            yield return new ImageExpirySet(image, at, now) { FieldManager = manager, ObjectUid = resource.Metadata.Uid };
        else if (resource.Spec.ExpiresAt is null && log.ExpiresAt is not null
            && (before?.ExpiresAt is not null || ImageIntent.IsExpiryRemoved(resource, log)))
            yield return new ImageExpiryRemoved(image, now);
    }

    /// <summary>The events that follow from the deletion of a resource: the request of a person is withdrawn.
    /// <see cref="ImageExpiryService"/> then decides about the expiry of the image.</summary>
    /// <param name="log">The image's state.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="last">The resource before its deletion.</param>
    /// <param name="now">UTC.</param>
    public static ImageForgotten? DecideDeleted(ImageState log, string image, CachedImage last, DateTimeOffset now) =>
        log.IsWanted && !log.IsForgotten && log.ObjectName == last.Metadata.Name
            ? new ImageForgotten(image, now) { FieldManager = last.Managers.SourceImage ?? last.Managers.Retain ?? last.Managers.ExpiresAt }
            : null;

    /// <summary>Queues changed resources until cancelled.</summary>
    public async Task Follow(CancellationToken ct)
    {
        while (true)
        {
            var changeSet = await resources.TakeChanges(ct);
            foreach (var (name, last) in changeSet.Deleted)
                _deleted[name] = last;
            queue.Add(changeSet.Keys);
            if (!changeSet.Listed)
                continue;
            queue.Add(resources.State.Keys, isUrgent: false);
            images.Add(views.All.Where(view => view.Stage != ImageStage.Evicted).Select(view => view.Image), isUrgent: false);
        }
    }

    /// <summary>Records the intents of these resources.</summary>
    public async Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct)
    {
        foreach (var name in keys)
        {
            if (_deleted.TryGetValue(name, out var last))
            {
                await SettleDeleted(name, last, ct);
                _deleted.TryRemove(KeyValuePair.Create(name, last));
            }
            await Settle(name, ct);
        }
    }

    private async Task SettleDeleted(string name, CachedImage last, CancellationToken ct)
    {
        if (ownDeletions.Contains(last.Metadata.Uid!) || !ImageReference.TryParse(last.Spec?.SourceImage ?? "", out var image, out _))
        {
            ownDeletions.Remove(last.Metadata.Uid!);
            return;
        }
        var facts = await transactions.Execute(
            async log =>
            {
                var stream = await log.ReadImage(image.ToString(), ct);
                var now = await log.Now(ct);
                object?[] decided =
                    [wishes.Find(name)?.DecideReleased(stream.State, last, now), DecideDeleted(stream.State, image.ToString(), last, now)];
                return Append(stream, decided.OfType<object>());
            },
            ct);
        Say(name, image, facts);
    }

    private async Task Settle(string name, CancellationToken ct)
    {
        // 1. After any change, the image's resource is compared with its view.
        if (views.ImageNamed(name) is { } shown)
            images.Add(shown);
        if (resources.State.GetValueOrDefault(name) is not { } resource)
        {
            wishes.Forget(name);
            _annotations.Forget(name);
            return;
        }

        if (V1Finalizers.Removal(resource.Metadata) is { } removal)
        {
            var path = $"{CachedImage.Path}/{name}?fieldManager={CachedImageReconciler.FieldManager}";
            await api.Merge(path, removal, KubernetesJson.Default.CachedImage, ct);
            if (resource.Metadata.DeletionTimestamp is not null)
                return;   // it goes now, and asks for nothing any more
        }

        // 2. The intent is the recorded one: Kuik's own writes end here.
        var image = ImageReference.TryParse(resource.Spec?.SourceImage ?? "", out var parsed, out var problem) ? parsed : null;
        var imageIntent = ImageIntent.From(resource, image is null ? null : views.Find(image.ToString())?.State.ExpiresAt);
        var before = wishes.Find(name);
        if (before == imageIntent && (image is null || !_annotations.IsOpen(resource)))
            return;
        if (image is null)
            await Refuse(resource, problem!, ct);
        else if (before is not null || !IsShown(resource, image) || _misnamed.ContainsKey(image.ToString()))
            await Record(resource, image, before, ct);
        wishes.Record(name, imageIntent);
        if (image is not null)
            images.Add(image.ToString());
    }

    // To a new leader every resource is new; those that agree with their image's view need no read of the log. Only then: a view is behind
    // the log, and an intent that is withdrawn at once would agree with a view that does not have it yet.
    private bool IsShown(CachedImage resource, ImageReference image) =>
        resource.Managers.IsTakenUp && views.Find(image.ToString()) is { } view && view.ObjectName == resource.Metadata.Name
        && view.IsRetained == (resource.Spec?.Retain == true) && !resource.IsRefreshRequested
        && (resource.Managers.ExpiresAt is null || view.State.ExpiresAt == resource.Spec?.ExpiresAt)
        && !ImageIntent.IsExpiryRemoved(resource, view.State);

    private async Task Record(CachedImage resource, ImageReference image, ImageIntent? before, CancellationToken ct)
    {
        var (name, isAnnotationNew) = (resource.Metadata.Name!, _annotations.IsNew(resource));
        var (rightName, facts) = await transactions.Execute(
            async log =>
            {
                var isUsed = resource.Managers.ExpiresAt is not null && await IsUsed(log, image.ToString(), ct);
                var now = await log.Now(ct);
                var stream = await log.ReadImage(image.ToString(), ct);
                var decided = Decide(stream.State, image.ToString(), resource, isUsed, before, now);
                var recorded = Append(stream, decided.Where(fact => isAnnotationNew || fact is not RefreshRequested));
                return (await NameImage.In(log, stream, now, ct), recorded);
            },
            ct);
        Say(name, image, facts);
        if (resource.IsRefreshRequested)
            await _annotations.Remove(api, resource, ct);
        if (name != rightName)
            _misnamed.GetOrAdd(image.ToString(), _ => new()).TryAdd(name, true);
        if (_misnamed.TryGetValue(image.ToString(), out var wrong) && resources.State.GetValueOrDefault(rightName) is { } right)
        {
            foreach (var other in wrong.Keys.Select(resources.State.GetValueOrDefault).OfType<CachedImage>())
                await Replace(other, right, ct);
            _misnamed.TryRemove(image.ToString(), out _);
        }
    }

    private static async Task<bool> IsUsed(EventLogTransaction log, string image, CancellationToken ct)
    {
        await ImageLocks.TakeToExpire(log, image, ct);
        return await ImageUsers.IsUsed(log.Connection, image, ct);
    }

    // v1's "force name": the intent is copied to the resource with the right name, then the other one is deleted.
    private async Task Replace(CachedImage other, CachedImage right, CancellationToken ct)
    {
        if (other.Spec?.Retain == true && right.Spec?.Retain != true)
        {
            var retain = new CachedImage { Metadata = new ObjectMeta(), Spec = new CachedImageSpec { Retain = true } };
            await api.Merge($"{CachedImage.Path}/{right.Metadata.Name}?fieldManager={CachedImageReconciler.RetainManager}", retain,
                KubernetesJson.Default.CachedImage, ct);
        }
        await ownDeletions.Delete(api, other, ct);
        LogReplaced(other.Metadata.Name!, right.Metadata.Name!);
    }

    private async Task Refuse(CachedImage resource, string problem, CancellationToken ct)
    {
        var sentence = $"spec.sourceImage \"{resource.Spec?.SourceImage}\" is not an image reference: {problem}";
        var status = new CachedImage
        {
            Metadata = new ObjectMeta { Name = resource.Metadata.Name, Uid = resource.Metadata.Uid },
            Status = ShowImage.Invalid(sentence, resource.Metadata.CreationTimestamp!.Value),
        };
        await api.Apply($"{CachedImage.Path}/{resource.Metadata.Name}/status", status, CachedImageReconciler.StatusManager,
            KubernetesJson.Default.CachedImage, ct);
    }

    private static object[] Append(EventStream<ImageState> stream, IEnumerable<object> decided)
    {
        object[] facts = [.. decided];
        foreach (var fact in facts)
            stream.Append(fact);
        return facts;
    }

    private void Say(string name, ImageReference image, IReadOnlyList<object> facts)
    {
        foreach (var fact in facts)
        {
            LogWish(name, fact.GetType().Name, image.ToString());
            metrics.CountRecorded(fact.GetType().Name);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "CachedImage {Name}: {Fact} recorded for {Image}")]
    private partial void LogWish(string name, string fact, string image);

    [LoggerMessage(Level = LogLevel.Information, Message = "CachedImage {Name} is replaced by {RightName}, the name of its image")]
    private partial void LogReplaced(string name, string rightName);
}
