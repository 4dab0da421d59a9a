using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.Oci;

public sealed class OriginRulesTests
{
    [Theory]
    [InlineData("docker.io", "docker.io")]
    [InlineData("reg.example.com", "reg.example.com")]
    [InlineData("reg.example.com", "reg.example.com:5000")]
    [InlineData("REG.example.com:5000", "reg.example.com:5000")]
    [InlineData("reg.example.com:443", "reg.example.com")]
    [InlineData("*.example.com", "reg.example.com")]
    [InlineData("*.example.com:5000", "a.b.example.com:5000")]
    [InlineData("10.0.0.1", "10.0.0.1:5000")]
    public void An_entry_covers_a_host(string entry, string host)
    {
        Assert.Null(new OriginRules([entry], []).DenialReason(host));
        Assert.Contains(OriginRules.DeniedKey, new OriginRules([], [entry]).DenialReason(host), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("docker.io", "docker.io.example.com")]
    [InlineData("example.com", "reg.example.com")]
    [InlineData("*.example.com", "example.com")]
    [InlineData("*.example.com", "badexample.com")]
    [InlineData("reg.example.com:5000", "reg.example.com")]
    [InlineData("reg.example.com:443", "reg.example.com:5000")]
    public void An_entry_covers_no_other_host(string entry, string host)
    {
        Assert.Contains(OriginRules.AllowedKey, new OriginRules([entry], []).DenialReason(host), StringComparison.Ordinal);
        Assert.Null(new OriginRules([], [entry]).DenialReason(host));
    }

    [Fact]
    public void Nothing_listed_allows_everything() => Assert.Null(new OriginRules([], []).DenialReason("reg.example.com:5000"));

    [Fact]
    public void A_denied_host_is_denied_although_it_is_allowed_too() =>
        Assert.NotNull(new OriginRules(["*.example.com"], ["bad.example.com"]).DenialReason("bad.example.com"));

    [Theory]
    [InlineData("https://bad.example.com/token")]
    [InlineData("https://BAD.example.com./v2/")]
    [InlineData("http://bad.example.com:8080/x")]
    [InlineData("https://registry-1.docker.io/v2/")]
    public void A_denied_host_is_not_asked_also_after_a_redirect_or_a_challenge(string address) =>
        Assert.NotNull(new OriginRules([], ["bad.example.com", "docker.io"]).DenialReason(new Uri(address)));

    [Fact]
    public void Where_an_allowed_origin_points_is_its_own_matter() =>
        Assert.Null(new OriginRules(["docker.io"], []).DenialReason(new Uri("https://auth.docker.io/token")));

    [Theory]
    [InlineData("")]
    [InlineData("https://docker.io")]
    [InlineData("docker.io/library")]
    [InlineData("*")]
    [InlineData("a.*.com")]
    [InlineData("reg.example.com:0")]
    [InlineData("reg.example.com:")]
    [InlineData("reg.example.com.")]
    public void What_is_no_host_is_refused(string entry)
    {
        Assert.StartsWith(OriginRules.AllowedKey, Assert.Throws<InvalidSettingException>(() => new OriginRules([entry], [])).Message,
            StringComparison.Ordinal);
        Assert.StartsWith(OriginRules.DeniedKey, Assert.Throws<InvalidSettingException>(() => new OriginRules([], [entry])).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(OriginRules.DeniedKey, "bad.example.com")]
    [InlineData(OriginRules.OldDeniedKey, "bad.example.com")]
    [InlineData(OriginRules.AllowedKey, "docker.io")]
    [InlineData(OriginRules.OldAllowedKey, "docker.io")]
    public void The_reason_names_the_setting_that_denies(string key, string entry)
    {
        var reason = Read((key, entry)).DenialReason("bad.example.com");

        Assert.EndsWith(" among " + key, reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Entries_under_the_old_and_the_new_name_count_together()
    {
        var rules = Read(
            (OriginRules.AllowedKey, "docker.io,quay.io"), (OriginRules.OldAllowedKey, "ghcr.io"), (OriginRules.DeniedKey, "quay.io"));

        Assert.All(["docker.io", "ghcr.io"], host => Assert.Null(rules.DenialReason(host)));
        Assert.All(["quay.io", "example.com"], host => Assert.NotNull(rules.DenialReason(host)));
    }

    [Fact]
    public void A_wrong_entry_under_an_old_name_is_refused_under_that_name() =>
        Assert.StartsWith(
            OriginRules.OldDeniedKey, Assert.Throws<InvalidSettingException>(() => Read((OriginRules.OldDeniedKey, "*"))).Message,
            StringComparison.Ordinal);

    private static OriginRules Read(params (string Key, string Value)[] settings) =>
        OriginRules.From(new ConfigurationBuilder().AddInMemoryCollection(
            settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
}
