using Kuik.Contracts;

namespace Kuik.Tests.Expiry;

/// <summary>The histories these tests begin with.</summary>
internal static class Given
{
    public const string Nginx = "docker.io/library/nginx:1.27";
    public static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    public static readonly TimeSpan Delay = TimeSpan.FromDays(30);

    public static ImageState History(params object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);

    public static RequestedByPod Requested(DateTimeOffset at) => new(Nginx, "nginx:1.27", "uid", at);

    public static ImageFetchStarted Started(DateTimeOffset at) => new(Nginx, "fetcher-0", at.AddMinutes(2), at);

    public static ImageCached Cached(DateTimeOffset at) =>
        new(Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.manifest.v1+json", [], [], 10, 10, 0,
            TimeSpan.FromSeconds(1), at);

    public static ImageFetchFailed Failed(DateTimeOffset at, DateTimeOffset retryAt) =>
        new(Nginx, "unreachable", "the origin does not answer", true, retryAt, at);

    public static ImageUnused Unused(DateTimeOffset since) => new(Nginx, since, since + Delay);

    public static object[] RequestedAndCached => [Requested(Noon), Started(Noon), Cached(Noon)];
}
