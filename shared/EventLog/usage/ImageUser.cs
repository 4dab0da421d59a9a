namespace Kuik.EventLog;

/// <summary>One pod or workload that uses one image.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="PodUid">The user's key (<see cref="UserKey"/>): a pod's uid, or <c>Kind/uid</c> of a workload.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="PodName">Its name.</param>
/// <param name="PullSecrets">Names of secrets in that namespace with possible credentials for the image's registry.</param>
public sealed record ImageUser(string Image, string PodUid, string Namespace, string PodName, IReadOnlyList<string> PullSecrets);
