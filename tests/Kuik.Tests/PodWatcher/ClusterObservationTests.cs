using Kuik.PodWatcher;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ClusterObservationTests
{
    private readonly FakeTimeProvider time = new();
    private readonly ClusterObservation observation;

    public ClusterObservationTests() => observation = new ClusterObservation(time);

    [Fact]
    public void A_replica_that_does_not_lead_knows_nothing()
    {
        Assert.False(observation.IsCurrent(out var why));
        Assert.Equal("this replica does not lead", why);
        Assert.Null(observation.Age);
    }

    [Fact]
    public void A_replica_in_another_cluster_knows_nothing_of_this_one()
    {
        observation.Begin(new Observer(null, time.GetUtcNow()));

        observation.Suspend("the event log belongs to another cluster");

        Assert.False(observation.IsCurrent(out var why));
        Assert.Equal("the event log belongs to another cluster", why);
    }

    [Fact]
    public void What_is_not_listed_or_not_recorded_yet_is_not_current()
    {
        observation.Begin(new Observer("serviceaccounts: 403", null));
        Assert.False(observation.IsCurrent(out var why));
        Assert.Equal("serviceaccounts: 403", why);

        observation.Begin(new Observer(null, null));
        Assert.False(observation.IsCurrent(out _));
    }

    [Fact]
    public void All_kinds_have_to_be_complete_and_the_oldest_observation_counts()
    {
        var now = time.GetUtcNow();
        observation.Begin(new Observer(null, now), new Observer("cronjobs: 403", now));
        Assert.False(observation.IsCurrent(out var why));
        Assert.Equal("cronjobs: 403", why);

        observation.Begin(new Observer(null, now), new Observer(null, null));
        Assert.False(observation.IsCurrent(out _));

        observation.Begin(new Observer(null, now), new Observer(null, now.AddMinutes(-7)));
        Assert.False(observation.IsCurrent(out why));
        Assert.Equal("the last complete observation is 420 s old", why);
    }

    [Fact]
    public void A_complete_observation_is_current_until_it_is_too_old()
    {
        observation.Begin(new Observer(null, time.GetUtcNow()));
        time.Advance(ClusterObservation.LongestAge);
        Assert.True(observation.IsCurrent(out var why));
        Assert.Equal(("", ClusterObservation.LongestAge), (why, observation.Age));

        time.Advance(TimeSpan.FromSeconds(1));

        Assert.False(observation.IsCurrent(out why));
        Assert.Equal("the last complete observation is 361 s old", why);
    }

    [Fact]
    public void A_lead_that_has_ended_leaves_nothing_current()
    {
        observation.Begin(new Observer(null, time.GetUtcNow()));

        observation.End();

        Assert.False(observation.IsCurrent(out _));
    }

    private sealed record Observer(string? Incomplete, DateTimeOffset? CompleteAt) : IUserObserver;
}
