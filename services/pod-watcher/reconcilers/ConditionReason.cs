namespace Kuik.PodWatcher;

/// <summary>Reasons of conditions, and of Kubernetes Events about failures. They are a stable interface, described in
/// docs/cached-images.md.</summary>
internal static class ConditionReason
{
    public const string Cached = nameof(Cached);
    public const string Queued = nameof(Queued);
    public const string Lost = nameof(Lost);
    public const string Copying = nameof(Copying);
    public const string NotFound = nameof(NotFound);
    public const string AccessDenied = nameof(AccessDenied);
    public const string RateLimited = nameof(RateLimited);
    public const string InvalidContent = nameof(InvalidContent);
    public const string OriginUnreachable = nameof(OriginUnreachable);
    public const string CacheUnavailable = nameof(CacheUnavailable);
    public const string InternalError = nameof(InternalError);
    public const string CopyFailed = nameof(CopyFailed);
    public const string Expired = nameof(Expired);
    public const string InvalidReference = nameof(InvalidReference);
    public const string Copied = nameof(Copied);
    public const string PlatformsMissing = nameof(PlatformsMissing);
    public const string NotCopied = nameof(NotCopied);
    public const string BeingRemoved = nameof(BeingRemoved);
    public const string SameAsOrigin = nameof(SameAsOrigin);
    public const string GoneAtOrigin = nameof(GoneAtOrigin);
    public const string NotCompared = nameof(NotCompared);
    public const string NamedByDigest = nameof(NamedByDigest);
    public const string NotCached = nameof(NotCached);
    public const string UsedByPods = nameof(UsedByPods);
    public const string UsedByWorkloads = nameof(UsedByWorkloads);
    public const string Unused = nameof(Unused);
    public const string Retained = nameof(Retained);
}
