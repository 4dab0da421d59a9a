using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>
/// The key of a user of images, in column <c>pod_uid</c> of the usage table: a pod's uid, or <c>Kind/uid</c> of a workload. Workloads have
/// no column of their own, so that an earlier version counts them as users too. A uid has no slash.
/// </summary>
public static class UserKey
{
    /// <summary><c>Deployment/0b2f…</c></summary>
    /// <param name="kind">For example <c>Deployment</c>.</param>
    /// <param name="uid">The workload's uid.</param>
    public static string OfWorkload(string kind, string uid) => $"{kind}/{uid}";

    /// <summary>The workload's kind; null for a pod.</summary>
    public static string? KindOf(string key) => key.IndexOf('/', StringComparison.Ordinal) is >= 0 and var slash ? key[..slash] : null;

    /// <summary>The uid.</summary>
    public static string UidOf(string key) => key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..];

    /// <summary>True for the key of a workload of this kind, or, for null, of a pod. Does not allocate.</summary>
    public static bool IsOf(string key, string? kind) => kind is null
        ? !key.Contains('/', StringComparison.Ordinal)
        : key.Length > kind.Length && key[kind.Length] == '/' && key.StartsWith(kind, StringComparison.Ordinal);

    /// <summary>The stream of the user's events.</summary>
    public static string StreamOf(string key) => KindOf(key) is null ? StreamName.OfPod(key) : StreamName.OfWorkload(UidOf(key));
}
