using System.Net;
using System.Text.Json.Nodes;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Writes the recorded state of images into CachedImages, by server-side apply as <c>kuik</c>, where they differ. The resources have no
/// finalizer and are no source of truth: deleted ones are written again. Fields of the spec that a person owns are not overwritten.
/// </summary>
internal sealed class CachedImageReconciler(
    RateLimitedApi api, Reflector<CachedImage, CachedImage> resources, ImageViews views, UsageCache known, PullCounts pullCounts,
    OwnDeletions ownDeletions, RecordedIntents wishes, ImageEventReporter reporter, EventLogTransactions transactions,
    TimeProvider time) : IReconciler
{
    /// <summary>The field manager of metadata and spec.</summary>
    public const string FieldManager = "kuik";

    /// <summary>
    /// The field manager of the status. It is another one because Kubernetes before 1.22 does not track a manager's fields by subresource:
    /// each apply of one half would give up the other half, whose omitted fields would then never be removed.
    /// </summary>
    public const string StatusManager = "kuik-status";

    /// <summary>The field manager of a restored <c>spec.retain</c>: with <c>kuik</c>, the next apply would remove it again.</summary>
    public const string RetainManager = "kuik-retain";

    /// <summary>Reconciles the resources of these images.</summary>
    public async Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct)
    {
        foreach (var view in await views.Read(keys, ct))
            await Write(view, ct);
    }

    private async Task Write(ImageView view, CancellationToken ct)
    {
        if (view.Stage == ImageStage.Evicted)
            pullCounts.Forget(view.Image);
        if (view.Stage == ImageStage.Evicted && view.ObjectName is null)
            return;
        var name = view.ObjectName ?? await Name(view, ct);
        var actual = resources.State.GetValueOrDefault(name);
        // CachedImageIntentReconciler records the intent and queues the image again. Written back, a date that was removed would seem to be
        // there still.
        if (actual is not null && (!wishes.MayWrite(actual) || ImageIntent.IsExpiryRemoved(actual, view.State)))
            return;
        var (count, pods) = known.UsersOf(view.Image, ShowImage.PodsNamed);
        var (workloadCount, workloads) = known.WorkloadsOf(view.Image, ShowImage.PodsNamed);
        if (ShowImage.Desired(view, name, count, pods, workloadCount, workloads, pullCounts.Find(view.Image)) is { } desired)
        {
            if (await Write(view, actual, desired, ct) is { } written)
                reporter.Report(view, written);
        }
        else if (actual?.Managers.IsTakenUp == true)   // else a person created it after the view was read
        {
            await ownDeletions.Delete(api, actual, ct);
            reporter.ReportEvicted(actual);
        }
    }

    /// <returns>The written resource; null when there should be none.</returns>
    private async Task<CachedImage?> Write(ImageView view, CachedImage? actual, CachedImage desired, CancellationToken ct)
    {
        var isUsed = desired.Status!.UsedBy is not { Count: 0, WorkloadCount: null };
        if (actual is null && (view.Stage == ImageStage.Expired || (view.State.IsForgotten && !view.IsRetained && !isUsed)))
            return null;   // deleted, and the image is being evicted or about to be
        if (actual is null && view.IsRetained)
            actual = (await PutBack(desired, ct))?.WithManagers();
        if (actual is not null && desired.Spec!.ExpiresAt != actual.Spec?.ExpiresAt && await IsOver(view.Image, actual, ct))
            actual = await Clear(actual, ct);
        desired = ShowImage.BesideAPersons(desired, actual);
        if (actual is not null && ShowImage.Says(actual, desired))
            return actual;
        var path = $"{CachedImage.Path}/{desired.Metadata.Name}";
        if (actual is null || !ShowImage.SaysSpec(actual, desired))
        {
            // The uid prevents that a resource which is deleted meanwhile is created again, incomplete.
            var spec = desired with { Metadata = desired.Metadata with { Uid = actual?.Metadata.Uid }, Status = null };
            actual = await api.Apply(path, spec, FieldManager, KubernetesJson.Default.CachedImage, ct);
        }
        if (!actual.HasStatus(desired.Status!))
        {
            var status = desired with
            {
                Metadata = new ObjectMeta { Name = desired.Metadata.Name, Uid = actual.Metadata.Uid },
                Spec = null
            };
            await api.Apply(path + "/status", status, StatusManager, KubernetesJson.Default.CachedImage, ct);
        }
        return actual;
    }

    // As in v1, a use and spec.retain take a person's spec.expiresAt away. The view may be older than the person's edit; the log is not.
    private async Task<bool> IsOver(string image, CachedImage actual, CancellationToken ct) =>
        actual.Managers.ExpiresAt is not null && actual.Spec?.ExpiresAt == wishes.Find(actual.Metadata.Name!)?.ExpiresAt
        && await transactions.Execute(async log => (await log.ReadImage(image, ct)).State.ExpiresAt is null, ct);

    private async Task<CachedImage> Clear(CachedImage actual, CancellationToken ct)
    {
        var patch = new JsonObject
        {
            ["metadata"] = new JsonObject { ["uid"] = actual.Metadata.Uid },
            ["spec"] = new JsonObject { ["expiresAt"] = null },
        };
        var path = $"{CachedImage.Path}/{actual.Metadata.Name}?fieldManager={FieldManager}";
        return (await api.Merge(path, patch, KubernetesJson.Default.CachedImage, ct)).WithManagers();
    }

    private async Task<CachedImage?> PutBack(CachedImage desired, CancellationToken ct)
    {
        try
        {
            var kept = new CachedImage
            {
                Metadata = new ObjectMeta { Name = desired.Metadata.Name },
                Spec = new CachedImageSpec { SourceImage = desired.Spec!.SourceImage, Retain = true }
            };
            return await api.Create($"{CachedImage.Path}?fieldManager={RetainManager}", kept, KubernetesJson.Default.CachedImage, ct);
        }
        catch (KubernetesApiException refusal) when (refusal.Status == HttpStatusCode.Conflict)
        {
            return null;   // a concurrent change by a person wins
        }
    }

    private async Task<string> Name(ImageView view, CancellationToken ct) => await transactions.Execute(
        async log =>
        {
            var stream = await log.ReadImage(view.Image, ct);
            return await NameImage.In(log, stream, time.GetUtcNow(), ct);
        },
        ct);
}
