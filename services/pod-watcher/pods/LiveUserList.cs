namespace Kuik.PodWatcher;

/// <summary>A complete list of the followed pods and workloads.</summary>
/// <param name="UidsByImage">The user keys (<see cref="EventLog.UserKey"/>) of each image's users, by normalised reference.</param>
/// <param name="ResourceVersion">The resourceVersion of the list of pods; the lists of workloads are of this version or a later
/// one.</param>
internal sealed record LiveUserList(ILookup<string, string> UidsByImage, string ResourceVersion);
