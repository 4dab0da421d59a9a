using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Xunit;
using static Kuik.Tests.Audit.AuditLog;

namespace Kuik.Tests.Audit;

/// <summary>The reasons for an image's state.</summary>
public class ImageExplanationTests
{
    private static readonly ImageUnused Unused = new(Nginx, Noon.AddDays(1), Noon.AddDays(31));
    private static readonly ImageExpired Expired = new(Nginx, Noon.AddDays(31))
    {
        Reason = "unused",
        UnusedSince = Noon.AddDays(1),
        Delay = TimeSpan.FromDays(30)
    };

    [Theory]
    [MemberData(nameof(Lives))]
    public void The_verdict_is_that_of_the_state_machine(string verdict, string loss, object[] facts)
    {
        var explanation = ImageExplanation.Of(Image(facts), users: 2);

        Assert.StartsWith(verdict, explanation.Verdict, StringComparison.Ordinal);
        Assert.StartsWith(loss, explanation.IfOriginVanished, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, object[]> Lives => new()
    {
        { "not cached yet: it waits", "all of it", [Requested] },
        { "not cached yet: attempt 1", "all of it", [Requested, Started] },
        { "cached", "platforms that are not stored, and nothing else. The cache serves linux/amd64 (56.3 MiB).", [Requested, Started,
            Cached] },
        { "cached, and expiring: at 2026-04-01", "platforms", [Requested, Started, Cached, Unused] },
        { "cached, and retained", "platforms", [Requested, Started, Cached, new ImageRetained(Nginx, Noon)] },
        { "cached, and to expire as soon as", "platforms", [Requested, Started, Cached, new ImageForgotten(Nginx, Noon)] },
        { "not cached: the copy failed; the next attempt", "all of it", [Requested, Started, Failed] },
        { "not cached: the copy fails, and a retry", "all of it", [Requested, Started, Failed with { RetryHelps = false }] },
        { "not cached: the copy was lost", "all of it", [Requested, Started, Cached, new ImageLost(Nginx, "a blob is missing", 1, Noon)] },
        { "expired: its tag is to be removed", "all of it: it is leaving", [Requested, Started, Cached, Unused, Expired] },
    };

    [Fact]
    public void The_reasons_are_the_events_that_led_there_and_the_users()
    {
        var explanation = ImageExplanation.Of(Image(Requested, Started, Failed), users: 1);

        Assert.Equal(3, explanation.Because.Count);
        Assert.EndsWith("requested: pod 0b2f uses nginx:1.27", explanation.Because[0], StringComparison.Ordinal);
        Assert.Contains("rate-limited (429): docker.io refused more pulls; next attempt at ", explanation.Because[1],
            StringComparison.Ordinal);
        Assert.Equal("1 pod or workload uses it", explanation.Because[2]);
    }

    [Fact]
    public void An_event_that_the_state_machine_refuses_is_no_reason()
    {
        var explanation = ImageExplanation.Of(Image(Requested, Started, Cached, Failed with { Attempt = 7 }), users: 0);

        Assert.Equal("cached", explanation.Verdict);
        Assert.DoesNotContain(explanation.Because, line => line.Contains("failed", StringComparison.Ordinal));
    }
}
