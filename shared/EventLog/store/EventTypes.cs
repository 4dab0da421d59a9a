using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>Every event that the log holds. Its name in the log, and its message type on the bus, is the record's name: never rename
/// one.</summary>
internal static class EventTypes
{
    public static readonly IReadOnlyList<Type> All =
    [
        typeof(PodObserved), typeof(PodGone), typeof(WorkloadObserved), typeof(WorkloadGone),
        typeof(RequestedByPod), typeof(RequestedByPerson), typeof(RequestedByPull), typeof(ImageNamed), typeof(ImageRetained),
        typeof(ImageReleased),
        typeof(FetchDue), typeof(ImageFetchStarted), typeof(ImageCached), typeof(ImageFetchFailed), typeof(ImageLost),
        typeof(RefreshRequested), typeof(OriginChecked), typeof(TagMoved), typeof(RepositoryConfigured),
        typeof(ImageUnused), typeof(ImageUsedAgain), typeof(ExpiryProposed), typeof(ImageForgotten), typeof(ImageExpired),
        typeof(EvictionDue), typeof(ImageEvictionStarted), typeof(ImageEvicted),
    ];
}
