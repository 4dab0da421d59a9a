using Kuik.CommandLine.Audit;
using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Kuik.Kubernetes;
using Xunit;
using static Kuik.Tests.Audit.AuditLog;

namespace Kuik.Tests.Audit;

/// <summary>The state of everything, folded from a log.</summary>
public class ReplayedStateTests
{
    [Fact]
    public void Images_and_users_are_those_of_the_last_event()
    {
        var state = Replay(Pod, Requested, Started, Cached);

        Assert.Equal(ImagePhase.Cached, state.Images[Nginx].State.Phase);
        Assert.Equal(("front-1", "node-1", "Deployment/front"), Assert.Single(state.UsersOf(Nginx)) is var user
            ? (user.Name, user.Node, user.Owner) : default);
        Assert.Equal((4, 1), (state.Sequence, state.UserCounts()[Nginx]));
    }

    [Fact]
    public void A_pod_that_is_gone_uses_nothing_and_one_that_returns_does() =>
        Assert.Equal((0, 1), (Replay(Pod, Gone).Users.Count, Replay(Pod, Gone, Pod).Users.Count));

    [Fact]
    public void An_unknown_event_is_counted_and_changes_nothing()
    {
        var state = Replay(Requested);
        state.Apply(Recorded(Cached, 2, 2) with { Type = "ImageSigned", Fact = null });

        Assert.Equal((ImagePhase.Wanted, 1, 2L), (state.Images[Nginx].State.Phase, state.Images[Nginx].Unreadable,
            state.Images[Nginx].Version));
        Assert.Equal(1, state.Unreadable["ImageSigned"]);
    }

    [Fact]
    public void A_copy_keeps_its_state()
    {
        var state = Replay(Pod, Requested);
        var copy = state.Copy();
        state.Apply(Recorded(Gone, 3, 2));

        Assert.Equal((1, 0), (copy.Users.Count, state.Users.Count));
    }

    [Fact]
    public void Differences_are_what_came_went_and_changed()
    {
        var (before, after) = (Replay(Requested, Pod), Replay(Requested, Pod, Gone, Started));

        Assert.Equal(
            [new StateDifference('~', "image", Nginx, "Wanted", "Copying"), new StateDifference('-', "user", "Pod web/front-1", Nginx,
                null)],
            StateDifference.Between(before, after));
        Assert.Empty(StateDifference.Between(after, after.Copy()));
    }

    [Fact]
    public void A_resource_that_disagrees_with_the_log_is_a_difference_and_one_that_has_just_changed_is_not()
    {
        var state = Replay(Requested, new ImageNamed(Nginx, "nginx", Noon), Started, Cached);
        var right = new Dictionary<string, CachedImageStatus?> { ["nginx"] = new() { IsCached = true, Digest = Digest } };
        var wrong = new Dictionary<string, CachedImageStatus?> { ["nginx"] = new() { IsCached = false }, ["other"] = new() };
        var later = Noon.AddDays(1);

        Assert.Empty(ResourceComparison.Compare(right, state, later));
        Assert.Equal(["nginx", "other"], ResourceComparison.Compare(wrong, state, later).Select(one => one.Subject));
        Assert.Equal(["nginx"], ResourceComparison.Compare(new Dictionary<string, CachedImageStatus?>(), state, later).Select(one =>
            one.Subject));
        Assert.Empty(ResourceComparison.Compare(new Dictionary<string, CachedImageStatus?>(), state, Noon.AddMinutes(4)));
    }

    [Theory]
    [InlineData("nginx", true)]
    [InlineData("docker.io/library/*", true)]
    [InlineData("*:1.27", true)]
    [InlineData("library/*", false)]
    [InlineData("redis", false)]
    public void Images_are_chosen_by_a_part_of_the_reference_or_by_a_pattern(string pattern, bool matches) =>
        Assert.Equal(matches, ImageQuestion.Matches(pattern, Nginx));
}
