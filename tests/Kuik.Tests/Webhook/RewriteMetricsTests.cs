using Kuik.Tests.Docs;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

public class RewriteMetricsTests
{
    public static TheoryData<Outcome> Outcomes => [.. Enum.GetValues<Outcome>()];

    [Theory]
    [MemberData(nameof(Outcomes))]
    public void Every_outcome_has_a_label_that_the_page_names(Outcome outcome)
    {
        var label = RewriteMetrics.Label(outcome);

        Assert.NotEqual("unknown", label);
        Assert.Contains($"`{label}`", SourceText.Page("webhook.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void No_two_outcomes_share_a_label()
    {
        var labels = Enum.GetValues<Outcome>().Select(RewriteMetrics.Label).ToList();

        Assert.Equal(labels.Distinct(), labels);
    }
}
