using Kuik.Contracts;
using Kuik.EventLog;
using Xunit;

namespace Kuik.Tests.EventLog;

public sealed class RemovableStreamsTests
{
    [Theory]
    [InlineData("pod/uid", "PodGone", true)]
    [InlineData("workload/uid", "WorkloadGone", true)]
    [InlineData("image/docker.io/library/nginx:1", "ImageEvicted", true)]
    [InlineData("pod/uid", "PodObserved", false)]
    [InlineData("workload/uid", "WorkloadObserved", false)]
    [InlineData("repository/docker.io/library/nginx", "RepositoryConfigured", false)]
    [InlineData("mt_tombstone", "tombstone", false)]
    [InlineData("signer/x", "OfANewerVersion", false)]
    public void Only_the_end_of_a_pod_or_workload_and_events_of_images_may_end_a_stream(string stream, string type, bool may) =>
        Assert.Equal(may, RemovableStreams.MayEnd(stream, type));

    [Theory]
    [InlineData(ImagePhase.Gone, false, true)]
    [InlineData(ImagePhase.Gone, true, false)]
    [InlineData(ImagePhase.Unknown, false, false)]
    [InlineData(ImagePhase.Wanted, false, false)]
    [InlineData(ImagePhase.Copying, false, false)]
    [InlineData(ImagePhase.Failed, false, false)]
    [InlineData(ImagePhase.Cached, false, false)]
    [InlineData(ImagePhase.Leaving, false, false)]
    [InlineData(ImagePhase.Removing, false, false)]
    public void Only_an_evicted_image_that_is_not_retained_has_ended(ImagePhase phase, bool isRetained, bool hasEnded) =>
        Assert.Equal(hasEnded, RemovableStreams.HasEnded(ImageState.Initial with { Phase = phase, IsRetained = isRetained }));

    [Fact]
    public void The_lowest_bound_holds_and_gives_the_reason()
    {
        var bounds = new RetentionBounds(BeforeLast: 100, Projected: 90, Chained: 80, IsPaused: false);
        var policy = new LogRetentionOptions(TimeSpan.FromDays(1), ExportFirst: false, IsChained: false);

        Assert.Equal((90L, "projections"), bounds.Lowest(policy, exported: 0));
        Assert.Equal((80L, "chain"), bounds.Lowest(policy with { IsChained = true }, exported: 0));
        Assert.Equal((70L, "export"), bounds.Lowest(policy with { IsChained = true, ExportFirst = true }, exported: 70));
        Assert.Equal((5L, null), (bounds with { BeforeLast = 5 }).Lowest(policy, exported: 0));
    }
}
