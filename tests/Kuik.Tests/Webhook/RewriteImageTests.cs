using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>v1's rules for one image, in v1's order.</summary>
public sealed class RewriteImageTests
{
    private static readonly RewriteOptions AnyPullPolicy = new() { IgnorePullPolicyAlways = false };

    [Theory]   // isImageRewritable of v1
    [InlineData("alpine", "", Outcome.Ignored, "ignored by alpine")]
    [InlineData("nginx:latest", "", Outcome.Ignored, "ignored by .*:latest")]
    [InlineData("nginx", "", Outcome.Rewritten, "")]
    public void An_image_that_an_expression_matches_anywhere_is_ignored(string image, string pullPolicy, Outcome outcome, string why)
    {
        var options = Review.Options(
            ("Kuik:Webhook:IgnorePullPolicyAlways", "false"), ("Kuik:Webhook:IgnoredImages:0", "alpine"),
            ("Kuik:Webhook:IgnoredImages:1", ".*:latest"));

        var decision = Decide(image, pullPolicy, options: options);

        Assert.Equal((outcome, why), (decision.Outcome, decision.Why));
    }

    [Theory]   // isImageRewritable of v1
    [InlineData("nginx:1.0.0", "Always", Outcome.PullPolicyAlways)]
    [InlineData("nginx:latest", "", Outcome.PullPolicyAlways)]
    [InlineData("nginx", "", Outcome.PullPolicyAlways)]
    [InlineData("reg.io:5000/nginx", "", Outcome.PullPolicyAlways)]
    [InlineData("nginx:latest", "IfNotPresent", Outcome.Rewritten)]
    [InlineData("nginx:1.0.0", "", Outcome.Rewritten)]
    public void An_image_that_is_pulled_at_every_start_is_left_alone(string image, string pullPolicy, Outcome outcome) =>
        Assert.Equal(outcome, Decide(image, pullPolicy).Outcome);

    [Fact]
    public void An_image_that_is_never_pulled_is_left_alone_whatever_the_settings() =>
        Assert.Equal(Outcome.PullPolicyNever, Decide("nginx:1.0.0", "Never", options: AnyPullPolicy).Outcome);

    [Fact]
    public void The_first_rule_that_applies_is_the_reason()
    {
        var options = Review.Options(("Kuik:Webhook:IgnoredImages", "Nginx"), ("Kuik:Webhook:AcceptedImages", "redis"));

        Assert.Equal(Outcome.PullPolicyNever, Decide("Nginx", "Never", options: options).Outcome);
        Assert.Equal(Outcome.PullPolicyAlways, Decide("Nginx", "Always", options: options).Outcome);
        Assert.Equal(Outcome.Ignored, Decide("Nginx", "IfNotPresent", options: options).Outcome);
        Assert.Equal(Outcome.NotAccepted, Decide("Httpd", "IfNotPresent", options: options).Outcome);
        Assert.Equal(Outcome.NoLocalName, Decide("Redis:redis", "IfNotPresent", options: options).Outcome);
    }

    [Fact]
    public void An_ignored_image_stays_ignored_when_it_is_accepted_as_well()
    {
        var options = Review.Options(("Kuik:Webhook:IgnoredImages", "nginx"), ("Kuik:Webhook:AcceptedImages", "nginx,redis"));

        Assert.Equal(Outcome.Ignored, Decide("nginx:1", options: options).Outcome);
        Assert.Equal(Outcome.Rewritten, Decide("redis:1", options: options).Outcome);
    }

    [Fact]
    public void An_image_rewritten_by_us_is_left_as_it_is()
    {
        var decision = Decide("localhost:7439/nginx:1", original: "nginx:1");

        Assert.Equal((Outcome.AlreadyRewritten, null), (decision.Outcome, decision.Image));
    }

    [Theory]
    [InlineData("localhost:7439/nginx:1", null, Outcome.LocalRegistry)]
    [InlineData("localhost:1313/nginx:1", null, Outcome.LocalRegistry)]
    [InlineData("localhost:5000/nginx:1", "nginx:1", Outcome.LocalRegistry)]
    [InlineData("localhost:1313/redis:1", "nginx:1", Outcome.LocalRegistry)]
    [InlineData("localhost:1313/nginx:1", "nginx:1", Outcome.Repointed)]
    [InlineData("localhost:1313/reg.io_5000/app:1", "reg.io:5000/app:1", Outcome.Repointed)]
    [InlineData("localhost:1313/reg.io-5000/app:1", "reg.io:5000/app:1", Outcome.Repointed)]
    [InlineData("localhost:1313/docker.io/my_5000/app:latest", "my_5000/app", Outcome.Repointed)]
    public void A_local_image_is_ours_only_at_a_port_of_ours_and_with_our_annotation(string image, string? original, Outcome outcome) =>
        Assert.Equal(outcome, Decide(image, original: original, options: new RewriteOptions { PreviousPorts = [1313] }).Outcome);

    [Fact]
    public void A_changed_port_is_followed_in_the_present_form()
    {
        var decision = Decide("localhost:1313/reg.io-5000/app:1", original: "reg.io:5000/app:1",
            options: new RewriteOptions { Port = 4242, PreviousPorts = [1313] });

        Assert.Equal("localhost:4242/reg.io_5000/app:1", decision.Image);
    }

    [Fact]
    public void Nothing_of_a_pod_that_is_not_marked_is_rewritten()
    {
        var options = new RewriteOptions { PreviousPorts = [1313] };

        Assert.Equal(Outcome.NotMarked, Decide("nginx:1", isMarked: false, options: options).Outcome);
        Assert.Equal(Outcome.NotMarked, Decide("localhost:1313/nginx:1", original: "nginx:1", isMarked: false, options: options).Outcome);
        Assert.Equal(Outcome.AlreadyRewritten,
            Decide("localhost:7439/nginx:1", original: "nginx:1", isMarked: false, options: options).Outcome);
    }

    [Fact]
    public void A_container_without_a_name_stays_because_no_annotation_could_keep_its_image() =>
        Assert.Equal(Outcome.NoLocalName,
            RewriteImage.Decide(new Container("containers", 0, "", "nginx:1", "IfNotPresent", null), true, new RewriteOptions()).Outcome);

    private static ImageDecision Decide(string image, string pullPolicy = "IfNotPresent", string? original = null, bool isMarked = true,
        RewriteOptions? options = null) =>
        RewriteImage.Decide(new Container("containers", 0, "web", image, pullPolicy, original), isMarked, options ?? new RewriteOptions());
}
