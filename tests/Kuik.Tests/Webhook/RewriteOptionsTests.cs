using Kuik.Contracts;
using Kuik.Hosting;
using Xunit;

namespace Kuik.Tests.Webhook;

public sealed class RewriteOptionsTests
{
    [Fact]
    public void Without_settings_the_defaults_are_v1s()
    {
        var options = Review.Options();

        Assert.Equal(7439, options.Port);
        Assert.True(options.IgnorePullPolicyAlways);
        Assert.Empty(options.PreviousPorts);
        Assert.Empty(options.IgnoredImages);
        Assert.Empty(options.AcceptedImages);
    }

    [Theory]
    [InlineData("Kuik:Proxy:Port", "0", "a port, 1 to 65535")]
    [InlineData("Kuik:Proxy:Port", "65536", "a port, 1 to 65535")]
    [InlineData("Kuik:Proxy:Port", "http", "a port, 1 to 65535")]
    [InlineData("Kuik:Proxy:PreviousPorts:0", "-1", "a list of ports, 1 to 65535")]
    [InlineData("Kuik:Webhook:IgnorePullPolicyAlways", "yes", "true or false")]
    [InlineData("Kuik:Webhook:IgnoredImages:0", "a(", "a regular expression (")]
    [InlineData("Kuik:Webhook:AcceptedImages:0", "", "an empty one would match every image")]
    [InlineData("Kuik:Webhook:AcceptedImages:0", "[[:alpha:]]", "not supported: write [a-z] for [[:lower:]]")]
    [InlineData("Kuik:Webhook:AcceptedImages:0", "(?=a)", "a regular expression (\"(?=\" at character 1 is not supported)")]
    [InlineData("Kuik:Webhook:AcceptedImages:0", "(a)\\1", "a regular expression (")]
    [InlineData("Kuik:Webhook:AcceptedImages:0", "\\Qa\\E", "a regular expression (")]
    public void A_wrong_setting_is_refused_by_its_key_with_what_is_accepted(string key, string value, string accepted)
    {
        var refused = Assert.Throws<InvalidSettingException>(() => Review.Options((key, value)));

        Assert.StartsWith(key.Replace(":PreviousPorts:0", ":PreviousPorts", StringComparison.Ordinal), refused.Message,
            StringComparison.Ordinal);
        Assert.Contains(accepted, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public void Expressions_come_as_a_list_or_as_one_value_with_commas()
    {
        var list = Review.Options(("Kuik:Webhook:IgnoredImages:0", "^nginx"), ("Kuik:Webhook:IgnoredImages:1", "a,b"));
        var joined = Review.Options(("Kuik:Webhook:IgnoredImages", "^nginx, v[0-9]{1,3}$ ,x{2,}"));

        Assert.Equal(["^nginx", "a,b"], list.IgnoredImages.Select(expression => expression.ToString()));
        Assert.Equal(["^nginx", "v[0-9]{1,3}$", "x{2,}"], joined.IgnoredImages.Select(expression => expression.ToString()));
    }

    [Theory]   // as Go reads them
    [InlineData(@"185.145.250.247\:30042", "185.145.250.247:30042/alpine", true)]
    [InlineData(@"^(?P<host>quay|ghcr)\.io/", "ghcr.io/mesh/proxy", true)]
    [InlineData(@"(?i)NGINX", "nginx", true)]
    [InlineData(@"alpine", "reg.io/myalpine:1", true)]
    [InlineData(@"^alpine$", "alpine:1", false)]
    public void An_expression_of_v1_matches_what_it_did(string expression, string image, bool isMatch) =>
        Assert.Equal(isMatch, Review.Options(("Kuik:Webhook:IgnoredImages:0", expression)).IgnoredImages[0].IsMatch(image));

    [Theory]
    [InlineData(@"a\d", "a\u0663")]   // an Arabic three
    [InlineData(@"a\w", "a\u00e9")]
    [InlineData(@"a$", "a\n")]
    public void Where_an_expression_matches_more_than_Gos_the_image_is_no_reference(string expression, string image)
    {
        Assert.Matches(Review.Options(("Kuik:Webhook:IgnoredImages:0", expression)).IgnoredImages[0], image);
        Assert.False(ImageReference.TryParse(image, out _, out _));
    }

    [Fact]
    public void No_expression_takes_long_for_any_image()
    {
        // A backtracking engine would try 2^5000 ways. What is asserted is that this ends at all.
        var options = Review.Options(("Kuik:Webhook:IgnoredImages:0", "(a+)+$"));

        Assert.DoesNotMatch(options.IgnoredImages[0], new string('a', 5000) + "!");
    }
}
