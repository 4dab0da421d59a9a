using System.Security.Cryptography;
using System.Text;
using Kuik.Contracts;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Makes every Repository say how its images are: v1's <c>status.images</c>, phase and condition <c>Ready</c>. What a person writes into
/// its
/// <c>spec</c> is left alone, and such a resource stays when its last image has gone.
/// </summary>
internal sealed class RepositoryReconciler(
    RateLimitedApi api, Reflector<Repository, Repository> resources, ImageViews views, WorkQueue queue, TimeProvider time) : IReconciler
{
    private readonly Dictionary<string, string> names = [];

    /// <summary>What a Repository should say of these images; null when it should not be.</summary>
    /// <param name="images">Those with a CachedImage.</param>
    /// <param name="before">What it says now; null when it is not there.</param>
    /// <param name="now">UTC.</param>
    public static RepositoryStatus? Desired(IReadOnlyCollection<ImageView> images, Repository? before, DateTimeOffset now)
    {
        if (images.Count == 0 && before?.Spec?.IsOnlyName != false)
            return null;
        var (status, reason, message) = images switch
        {
            _ when images.Where(image => image.Stage == ImageStage.Failed).MinBy(image => image.Image, StringComparer.Ordinal) is { } failed => ("False", "ErrImagePull", $"{failed.Image}: {failed.Failed?.Reason}"),
            _ when images.Any(image => image.Stage is ImageStage.Requested or ImageStage.Fetching) => ("False", "Pulling", "Images are being copied"),
            _ => ("True", "UpToDate", "All images are in the cache"),
        };
        var since = before?.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "Ready") is { } ready && ready.Status == status ? ready.LastTransitionTime : now;
        return new RepositoryStatus(images.Count, status == "True" ? "Ready" : reason, [new ResourceCondition("Ready", status, since, reason, message)]);
    }

    /// <summary>The resource's name: v1's, or where another repository has that, one of its own.</summary>
    /// <param name="repository">With its host.</param>
    /// <param name="ownerOf">The repository that has a name; null for none.</param>
    public static string NameOf(string repository, Func<string, string?> ownerOf)
    {
        var suffix = "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(repository)))[..8];
        var name = ObjectName.Sanitise(repository);
        var distinct = name[..Math.Min(name.Length, ObjectName.Longest - suffix.Length)].TrimEnd('-', '.') + suffix;
        var isOurs = name.Length <= ObjectName.Longest && (ownerOf(name) ?? repository) == repository;
        return isOurs && ownerOf(distinct) is null ? name : distinct;
    }

    /// <summary>Queues what changes, until cancelled.</summary>
    public async Task Follow(CancellationToken ct)
    {
        while (true)
        {
            var changeSet = await resources.TakeChanges(ct);
            if (changeSet.Listed)
                queue.Add(views.Repositories.Concat(NamesWithV1Finalizers()), isUrgent: false);
            queue.Add(changeSet.Keys.Select(resources.State.GetValueOrDefault).Concat(changeSet.Deleted.Values).Select(resource => resource?.Spec?.Name).OfType<string>());
        }
    }

    /// <summary>Makes these repositories' resources what they should be. One call at a time: it gives names.</summary>
    public async Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct)
    {
        foreach (var repository in keys)
            await Write(repository, ct);
    }

    private async Task Write(string repository, CancellationToken ct)
    {
        var name = NameOf(repository, OwnerOf);
        names[name] = repository;
        var path = $"{Repository.Path}/{name}";
        var actual = resources.State.GetValueOrDefault(name);
        if (actual is not null && V1Finalizers.Removal(actual.Metadata) is { } removal)
        {
            var merge = $"{path}?fieldManager={CachedImageReconciler.FieldManager}";
            actual = await api.Merge(merge, removal, KubernetesJson.Default.Repository, ct);
            if (actual.Metadata.DeletionTimestamp is not null)
                return;   // it goes now: its deletion has it looked at again
        }
        if (Desired(views.InRepository(repository), actual, time.GetUtcNow()) is not { } status)
        {
            if (IsShown(actual))   // else it is a person's, made ahead, or v1's, whose images are still to be taken up
                await api.Delete<Repository>(path, actual!.Metadata.Uid!, ct);
            return;
        }
        if (actual?.Spec?.Name != repository)
            actual = await api.Apply(path, new Repository { Metadata = new ObjectMeta { Name = name }, Spec = new RepositorySpec { Name = repository } }, CachedImageReconciler.FieldManager, KubernetesJson.Default.Repository, ct);
        if (!Says(actual.Status, status))
            await api.Apply(path + "/status", new Repository { Metadata = new ObjectMeta { Name = name, Uid = actual.Metadata.Uid }, Status = status }, CachedImageReconciler.StatusManager, KubernetesJson.Default.Repository, ct);
    }

    private static bool IsShown(Repository? resource) =>
        resource?.Metadata.ManagedFields?.Any(entry => entry.Manager == CachedImageReconciler.StatusManager) == true;

    private IEnumerable<string> NamesWithV1Finalizers() =>
        resources.State.Values.Where(resource => V1Finalizers.Removal(resource.Metadata) is not null)
            .Select(resource => resource.Spec?.Name).OfType<string>();

    private string? OwnerOf(string name) =>
        names.TryGetValue(name, out var repository) ? repository
        : resources.State.GetValueOrDefault(name)?.Spec?.Name is { } written && ImageReference.TryParse(written, out var image, out _) ? image.Name
        : null;

    private static bool Says(RepositoryStatus? actual, RepositoryStatus desired) =>
        actual is { Conditions: [var condition, ..] } && actual.Images == desired.Images && actual.Phase == desired.Phase
        && condition with { LastTransitionTime = null } == desired.Conditions![0] with { LastTransitionTime = null };
}
