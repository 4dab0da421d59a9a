using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The events of pods and workloads in words.</summary>
public static class UserText
{
    /// <summary>The fact and its reason; null for another event.</summary>
    public static (string What, string Why)? Describe(object fact) => fact switch
    {
        PodObserved e => ($"pod {e.Namespace}/{e.Name} uses {Images(e.Images)}", Circumstances(e.Node, e.OwnerKind, e.OwnerName,
            e.ServiceAccount, e.Images)),
        PodGone e => ($"pod {e.Namespace}/{e.Name} is gone", Circumstances(e.Reason, e.DeletedAt)),
        WorkloadObserved e =>
            ($"{e.Kind} {e.Namespace}/{e.Name} uses {Images(e.Images)}",
                Circumstances(null, e.OwnerKind, e.OwnerName, e.ServiceAccount, [])),
        WorkloadGone e => ($"{e.Kind} {e.Namespace}/{e.Name} is gone", Circumstances(e.Reason, e.DeletedAt)),
        _ => null,
    };

    private static string Images(IReadOnlyList<PodImage> images) =>
        images.Count == 0 ? "no image" : Excerpt.Of(images.Select(image => image.WrittenAs).Distinct().ToList());

    // Without the digests, the event that adds them to a pod that is known would read as a repetition.
    private static string Circumstances(
        string? node, string? ownerKind, string? ownerName, string? account, IReadOnlyList<PodImage> images)
    {
        var digests = images.Where(image => image.Digest is not null).Select(image => TimeText.OfDigest(image.Digest)).Distinct().ToList();
        return string.Join("; ", new[]
        {
            node is null ? null : $"on {node}", ownerKind is null ? null : $"of {ownerKind} {ownerName}",
            account is null ? null : $"as {account}", digests.Count == 0 ? null : $"runs {Excerpt.Of(digests)}",
        }.OfType<string>());
    }

    private static string Circumstances(string? reason, DateTimeOffset? deletedAt) => string.Join("; ", new[]
    {
        reason switch
        {
            "Deleted" => "deleted",
            "Absent" => "a complete list lacks it",
            "LabelRemoved" => "it is no longer followed",
            "NotFollowed" => "its kind is no longer followed",
            _ => reason,
        },
        deletedAt is null ? null : $"deletion asked for at {TimeText.Of(deletedAt)}",
    }.OfType<string>());
}
