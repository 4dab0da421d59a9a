using System.Runtime.CompilerServices;
using Kuik.CommandLine.Audit;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Xunit;
using static Kuik.Tests.Audit.AuditLog;

namespace Kuik.Tests.Audit;

/// <summary>Events as lines for people.</summary>
public class EventLineTests
{
    [Fact]
    public void A_line_says_what_why_and_by_whose_action()
    {
        var line = EventLine.Of(Recorded(Started));

        Assert.Equal(("copy started", "attempt 1", "fetcher-1"), (line.What, line.Why, line.Actor));
        Assert.Equal(("image-fetcher", "0.1.0"), (line.Service, line.Version));
    }

    [Fact]
    public void A_persons_field_manager_is_the_actor()
    {
        var line = EventLine.Of(Recorded(new ImageRetained(Nginx, Noon) { FieldManager = "kubectl-edit" }));

        Assert.Equal(("retained", "kubectl-edit"), (line.What, line.Actor));
    }

    [Fact]
    public void A_pod_is_named_with_its_node_and_owner()
    {
        var (observed, gone) = (EventLine.Of(Recorded(Pod)), EventLine.Of(Recorded(Gone)));

        Assert.Equal(("pod web/front-1 uses nginx:1.27", "on node-1; of Deployment front"), (observed.What, observed.Why));
        Assert.Equal(("pod web/front-1 is gone", "deleted"), (gone.What, gone.Why));
    }

    [Fact]
    public void A_pod_whose_digest_has_become_known_is_named_with_it()
    {
        var running = Pod with { Images = [.. Pod.Images.Select(image => image with { Digest = "sha256:" + new string('a', 64) })] };

        Assert.Equal("on node-1; of Deployment front; runs aaaaaaaaaaaa", EventLine.Of(Recorded(running)).Why);
    }

    [Fact]
    public void An_event_of_a_newer_version_is_shown_as_it_is()
    {
        var one = Recorded(Requested) with
        {
            Type = "ImageSigned",
            Fact = null,
            Problem = "this version does not know the event ImageSigned"
        };

        var line = EventLine.Of(one);

        Assert.Equal("ImageSigned", line.What);
        Assert.StartsWith("this version does not know the event ImageSigned: {\"image\":", line.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void An_event_without_effect_is_in_brackets() =>
        Assert.Contains("(copy started: had no effect)", EventTable.Of([EventLine.Of(Recorded(Started)) with { Counted = false }],
            isWide: false),
            StringComparison.Ordinal);

    [Fact]
    public void Every_event_has_words()
    {
        // Only the type counts: no event is without words because of its values.
        var silent = EventTypes.All.Where(type => type.Name is not ("ImageCached" or "PodObserved" or "WorkloadObserved"))
            .Select(RuntimeHelpers.GetUninitializedObject)
            .Where(fact => ImageText.Describe(fact) is null && UserText.Describe(fact) is null);

        Assert.Empty(silent);
    }
}
