using Kuik.ImageFetcher;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class PullReportEndpointTests
{
    private static readonly CountedPulls Nginx = new("docker.io/library/nginx:1.27", 3, DateTimeOffset.UnixEpoch);

    public static TheoryData<PullReport, bool> Reports => new()
    {
        { new PullReport("node-1", [Nginx]), true },
        { new PullReport("node-1", [Nginx with { Hits = 3 }]), true },
        { new PullReport("node-1", []), true },
        { new PullReport("node-1", [Nginx with { Hits = 4 }]), false },
        { new PullReport("node-1", [Nginx with { Hits = -1 }]), false },
        { new PullReport("", [Nginx]), false },
        { new PullReport(new string('n', 254), [Nginx]), false },
        { new PullReport("node-1", [Nginx with { Count = 0 }]), false },
        { new PullReport("node-1", [Nginx with { Count = long.MaxValue }]), false },
        { new PullReport("node-1", [Nginx with { Image = "" }]), false },
        { new PullReport("node-1", [.. Enumerable.Repeat(Nginx, PullReport.MostImages + 1)]), false },
        { new PullReport("node-1", [null!]), false },
        { new PullReport(null!, null!), false },
    };

    [Theory]
    [MemberData(nameof(Reports), DisableDiscoveryEnumeration = true)]
    public void Only_what_a_node_proxy_can_have_sent_is_stored(PullReport report, bool isValid) =>
        Assert.Equal(isValid, PullReportEndpoint.IsValid(report));
}
