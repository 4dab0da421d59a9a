using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Summarises the images of each repository in its Repository: v1's <c>status.images</c>, phase and condition <c>Ready</c>. Fields of the
/// <c>spec</c> that a person has set are kept, and such a resource is not deleted with its last image.
/// </summary>
internal sealed class RepositoryReconciler(
    RateLimitedApi api, Reflector<Repository, Repository> resources, ImageViews views, WorkQueue queue,
    RepositoryIntentRecorder intents, TimeProvider time) : IReconciler
{
    private readonly Dictionary<string, string> _names = [];
    private readonly ConcurrentDictionary<string, bool> _deleted = new();
    private readonly ConcurrentDictionary<string, bool> _withV1Finalizers = new();   // by the resource's name

    /// <summary>The intended status of a Repository; null when it should not exist.</summary>
    /// <param name="images">Its images that have a CachedImage.</param>
    /// <param name="before">The current status; null when the resource does not exist.</param>
    /// <param name="now">UTC.</param>
    /// <param name="problem">A sentence about what in its spec cannot be used; null for nothing.</param>
    public static RepositoryStatus? Desired(
        IReadOnlyCollection<ImageView> images, Repository? before, DateTimeOffset now, string? problem = null)
    {
        if (images.Count == 0 && before?.Spec?.IsOnlyName != false)
            return null;
        var (status, reason, message) = images switch
        {
            _ when problem is not null => ("False", "Invalid", problem),
            _ when images.Where(image => image.Stage == ImageStage.Failed)
                .MinBy(image => image.Image, StringComparer.Ordinal) is { } failed =>
                    ("False", "ErrImagePull", $"{failed.Image}: {failed.Failed?.Reason}"),
            _ when images.Any(image => image.Stage is ImageStage.Requested or ImageStage.Fetching) =>
                ("False", "Pulling", "Images are being copied"),
            _ => ("True", "UpToDate", "All images are in the cache"),
        };
        var since = before?.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "Ready") is { } ready
            && ready.Status == status ? ready.LastTransitionTime : now;
        return new RepositoryStatus(images.Count, status == "True"
            ? "Ready"
            : reason, [new ResourceCondition("Ready", status, since, reason, message)]);
    }

    /// <summary>The resource's name: v1's, or a distinct one where another repository has that.</summary>
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

    /// <summary>Queues changed resources until cancelled.</summary>
    public async Task Follow(CancellationToken ct)
    {
        while (true)
        {
            var changeSet = await resources.TakeChanges(ct);
            var changed = (changeSet.Listed ? resources.State.Keys : changeSet.Keys)
                .Select(resources.State.GetValueOrDefault).OfType<Repository>();
            foreach (var resource in changed.Where(resource => V1Finalizers.Removal(resource.Metadata) is not null))
                _withV1Finalizers[resource.Metadata.Name!] = true;
            if (changeSet.Listed)
                queue.Add(views.Repositories.Concat(NamesWithV1Finalizers()), isUrgent: false);
            foreach (var repository in changeSet.Deleted.Values.Select(resource => resource.Spec?.Name).OfType<string>())
                _deleted[repository] = true;
            queue.Add(changeSet.Keys.Select(resources.State.GetValueOrDefault).Concat(changeSet.Deleted.Values)
                .Select(resource => resource?.Spec?.Name).OfType<string>());
        }
    }

    /// <summary>Reconciles the resources of these repositories. Not concurrent: it assigns names.</summary>
    public async Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct)
    {
        foreach (var repository in keys)
            await Write(repository, ct);
    }

    private async Task Write(string repository, CancellationToken ct)
    {
        var name = NameOf(repository, OwnerOf);
        _names[name] = repository;
        var path = $"{Repository.Path}/{name}";
        await ReleaseMisnamed(repository, name, ct);
        var actual = resources.State.GetValueOrDefault(name);
        if (actual is not null && V1Finalizers.Removal(actual.Metadata) is { } removal)
        {
            actual = await Release(name, removal, ct);
            if (actual.Metadata.DeletionTimestamp is not null)
                return;   // it goes now: its deletion has it looked at again
        }
        var problem = actual is null && !_deleted.ContainsKey(repository) ? null : await intents.Record(repository, actual?.Spec, ct);
        _deleted.TryRemove(repository, out _);
        if (Desired(views.InRepository(repository), actual, time.GetUtcNow(), problem) is not { } status)
        {
            if (actual?.IsShown == true)   // else a person created it in advance, or it is v1's, whose images are still to be taken up
                await api.Delete<Repository>(path, actual.Metadata.Uid!, ct);
            return;
        }
        if (actual?.Spec?.Name != repository)
            actual = await api.Apply(path,
                new Repository { Metadata = new ObjectMeta { Name = name }, Spec = new RepositorySpec { Name = repository } },
                CachedImageReconciler.FieldManager, KubernetesJson.Default.Repository, ct);
        if (!Says(actual.Status, status))
            await api.Apply(path + "/status",
                new Repository { Metadata = new ObjectMeta { Name = name, Uid = actual.Metadata.Uid }, Status = status },
                CachedImageReconciler.StatusManager, KubernetesJson.Default.Repository, ct);
    }

    /// <summary>Removes v1's finalizers from resources of the repository that have another name than Kuik gives them: nothing else is done
    /// about these.</summary>
    private async Task ReleaseMisnamed(string repository, string name, CancellationToken ct)
    {
        foreach (var other in _withV1Finalizers.Keys.Where(other => other != name))
            if (resources.State.GetValueOrDefault(other) is not { } resource)
                _withV1Finalizers.TryRemove(other, out _);
            else if (resource.Spec?.Name == repository && V1Finalizers.Removal(resource.Metadata) is { } removal)
                await Release(other, removal, ct);
    }

    private async Task<Repository> Release(string name, JsonObject removal, CancellationToken ct)
    {
        var path = $"{Repository.Path}/{name}?fieldManager={CachedImageReconciler.FieldManager}";
        var released = await api.Merge(path, removal, KubernetesJson.Default.Repository, ct);
        _withV1Finalizers.TryRemove(name, out _);
        return released;
    }

    private IEnumerable<string> NamesWithV1Finalizers() =>
        resources.State.Values.Where(resource => V1Finalizers.Removal(resource.Metadata) is not null)
            .Select(resource => resource.Spec?.Name).OfType<string>();

    private string? OwnerOf(string name) =>
        _names.TryGetValue(name, out var repository) ? repository
        : resources.State.GetValueOrDefault(name)?.Spec?.Name is { } written && ImageReference.TryParse(written, out var image, out _)
        ? image.Name
        : null;

    private static bool Says(RepositoryStatus? actual, RepositoryStatus desired) =>
        actual is { Conditions: [var condition, ..] } && actual.Images == desired.Images && actual.Phase == desired.Phase
        && condition with { LastTransitionTime = null } == desired.Conditions![0] with { LastTransitionTime = null };
}
