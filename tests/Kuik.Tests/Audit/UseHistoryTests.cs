using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Xunit;

namespace Kuik.Tests.Audit;

public sealed class UseHistoryTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Redis = "docker.io/library/redis:7";

    [Fact]
    public void A_use_lasts_from_the_first_observation_to_the_end_and_gets_its_node_and_digest_later()
    {
        var uses = Fold(new UseFilter(), Observed("a", null, (Nginx, null)), Observed("a", "node-1", (Nginx, "sha256:1")), Gone("a"));

        var use = Assert.Single(uses);
        Assert.Equal((Nginx, "sha256:1", "node-1", At(1), At(3)), (use.Image, use.Digest, use.Node, use.From, use.To));
    }

    [Fact]
    public void Another_digest_under_the_same_tag_is_another_use()
    {
        var uses = Fold(new UseFilter(), Observed("a", "node-1", (Nginx, "sha256:1")), Observed("a", "node-1", (Nginx, "sha256:2")));

        Assert.Equal([("sha256:1", At(2)), ("sha256:2", (DateTimeOffset?)null)], uses.Select(use => (use.Digest, use.To)));
    }

    [Fact]
    public void An_image_that_a_pod_drops_is_no_longer_used_and_the_other_one_is()
    {
        var uses = Fold(new UseFilter(), Observed("a", "n", (Nginx, null), (Redis, null)), Observed("a", "n", (Redis, null)));

        Assert.Equal([(Nginx, At(2)), (Redis, null)], uses.OrderBy(use => use.Image).Select(use => (use.Image, use.To)));
    }

    [Fact]
    public void A_use_that_ended_before_the_time_is_left_out_and_one_that_lasted_into_it_is_not()
    {
        var uses = new UseHistory(new UseFilter(), after: 3);
        foreach (var one in Log(Observed("early", "n", (Nginx, null)), Observed("late", "n", (Nginx, null)), Gone("early"), Gone("late")))
            uses.Apply(one);

        Assert.Equal(["late"], uses.Uses.Select(use => use.User));
    }

    public static TheoryData<UseFilter, bool> Filters => new()
    {
        { new UseFilter(), true },
        { new UseFilter(Nginx, "sha256:1", "web", "node-1", "Deployment/front", "default"), true },
        { new UseFilter(Image: Redis), false },
        { new UseFilter(Digest: "sha256:2"), false },
        { new UseFilter(Namespace: "other"), false },
        { new UseFilter(Node: "node-2"), false },
        { new UseFilter(Owner: "Deployment/back"), false },
        { new UseFilter(ServiceAccount: "other"), false },
    };

    [Theory]
    [MemberData(nameof(Filters))]
    public void A_use_is_listed_when_all_that_is_asked_fits(UseFilter filter, bool isListed)
    {
        var observed = Observed("a", "node-1", (Nginx, "sha256:1"));

        Assert.Equal((isListed, isListed), (Fold(filter, observed).Count == 1, Fold(filter, observed, Gone("a")).Count == 1));
    }

    private static IReadOnlyList<ImageUse> Fold(UseFilter filter, params object[] facts)
    {
        var uses = new UseHistory(filter, after: 0);
        foreach (var one in Log(facts))
            uses.Apply(one);
        return uses.Uses;
    }

    private static IEnumerable<RecordedEvent> Log(params object[] facts) => facts.Select((fact, index) =>
        new RecordedEvent(index + 1, Guid.Empty, "pod/x", 1, fact.GetType().Name, At(index + 1), "{}") { Fact = fact });

    private static DateTimeOffset At(int minute) => AuditLog.Noon.AddMinutes(minute);

    private static PodObserved Observed(string uid, string? node, params (string Image, string? Digest)[] images) => new(
        uid, "web", uid, [.. images.Select((one, index) => new PodImage(one.Image, one.Image, one.Image) { Digest = one.Digest })], [],
        AuditLog.Noon)
    {
        Node = node,
        OwnerKind = "Deployment",
        OwnerName = "front",
        ServiceAccount = "default",
    };

    private static PodGone Gone(string uid) => new(uid, "web", uid, [Nginx], AuditLog.Noon);
}
