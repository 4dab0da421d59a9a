using System.Net;
using Kuik.Hosting;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public sealed class ProxyRulesTests
{
    [Theory]
    [InlineData("http://registry.example/", "http://plain.corp:3128/")]
    [InlineData("https://registry.example/", "https://tls.corp/")]
    public void A_request_goes_through_the_proxy_of_its_scheme(string address, string proxy)
    {
        var rules = Read(("http_proxy", "plain.corp:3128"), ("https_proxy", "https://tls.corp"));

        Assert.Equal(proxy, rules.GetProxy(new Uri(address))?.AbsoluteUri);
    }

    [Theory]
    [InlineData("lower.corp", "upper.corp", "http://lower.corp/")]
    [InlineData("", "upper.corp", "http://upper.corp/")]
    [InlineData(null, "upper.corp", "http://upper.corp/")]
    [InlineData(null, null, null)]
    public void Lower_case_wins_over_upper_case(string? lower, string? upper, string? proxy)
    {
        var rules = Read(("https_proxy", lower), ("HTTPS_PROXY", upper));

        Assert.Equal(proxy, rules.GetProxy(new Uri("https://registry.example"))?.AbsoluteUri);
    }

    [Theory]
    [InlineData("registry.example", "registry.example", true)]
    [InlineData("registry.example", "REGISTRY.example.", true)]
    [InlineData("Registry.Example", "eu.registry.example:5000", true)]   // a name means what is below it as well
    [InlineData("registry.example", "myregistry.example", false)]
    [InlineData(".example", "registry.example", true)]
    [InlineData(".example.com", "example.com", false)]                   // but .name only what is below
    [InlineData("*.example.com", "registry.example.com", true)]
    [InlineData("*.example.com", "example.com", false)]
    [InlineData("registry.example:5000", "registry.example:5000", true)]
    [InlineData("registry.example:5000", "registry.example:5001", false)]
    [InlineData("registry.example:443", "registry.example", true)]
    [InlineData("203.0.113.7", "203.0.113.7:5000", true)]
    [InlineData("203.0.113.7:5000", "203.0.113.7:5000", true)]
    [InlineData("203.0.113.7:5000", "203.0.113.7:5001", false)]
    [InlineData("203.0.113.7", "203.0.113.70", false)]
    [InlineData("203.0.113.0/24", "203.0.113.99", true)]
    [InlineData("203.0.113.5/24", "203.0.113.99", true)]                 // written as people write it
    [InlineData("203.0.113.0/24", "203.0.114.1", false)]
    [InlineData("203.0.113.0/24", "[::ffff:203.0.113.99]", true)]
    [InlineData("10.96.0.0/12", "10.111.255.255", true)]
    [InlineData("10.96.0.0/12", "10.112.0.0", false)]
    [InlineData("0.0.0.0/0", "203.0.113.99", true)]
    [InlineData("0.0.0.0/0", "registry.example", false)]                 // names are not looked up
    [InlineData("2001:db8::/32", "[2001:db8:1::5]:5000", true)]
    [InlineData("2001:db8::/32", "[2001:db9::5]", false)]
    [InlineData("2001:db8::5", "[2001:db8:0:0::5]", true)]
    [InlineData("[2001:db8::5]:5000", "[2001:db8::5]:5000", true)]
    [InlineData("[2001:db8::5]:5000", "[2001:db8::5]", false)]
    [InlineData("*", "registry.example", true)]
    [InlineData("*", "203.0.113.7", true)]
    [InlineData("a.example , registry.example,\tb.example", "registry.example", true)]
    [InlineData("a.example registry.example", "registry.example", true)]
    [InlineData(",, ,", "registry.example", false)]
    [InlineData("203.0.113.0/33, registry.example:port, https://registry.example", "registry.example", false)]
    public void Who_is_in_no_proxy_is_reached_directly(string entries, string host, bool isDirect)
    {
        var rules = Read(("https_proxy", "proxy.corp:3128"), ("no_proxy", entries));

        Assert.Equal(isDirect, rules.IsBypassed(new Uri($"https://{host}/v2/")));
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("localhost:5000")]
    [InlineData("a.localhost")]
    [InlineData("127.0.0.1:5000")]
    [InlineData("127.9.9.9")]
    [InlineData("[::1]:5000")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("0.0.0.0")]
    [InlineData("169.254.1.2")]
    [InlineData("[fe80::1]")]
    [InlineData("10.96.0.1")]                        // the API server
    [InlineData("kubernetes.default")]
    [InlineData("kubernetes.default.svc")]
    [InlineData("kubernetes.default.svc.cluster.local.")]
    [InlineData("registry.kuik-system.svc")]
    [InlineData("registry.kuik-system.svc.cluster.local:5000")]
    [InlineData("registry:5000")]                    // a service of the same namespace
    public void This_machine_and_the_cluster_are_never_behind_a_proxy(string host)
    {
        var rules = Read(("http_proxy", "proxy.corp:3128"), ("https_proxy", "proxy.corp:3128"), ("KUBERNETES_SERVICE_HOST", "10.96.0.1"));

        Assert.True(rules.IsBypassed(new Uri($"https://{host}/")));
        Assert.True(rules.IsBypassed(new Uri($"http://{host}/")));
    }

    [Theory]
    [InlineData("10.96.0.1")]
    [InlineData("fd00:10:96::1")]
    public void Only_the_API_server_that_the_environment_names_is_one(string apiServer)
    {
        var rules = Read(("https_proxy", "proxy.corp:3128"), ("KUBERNETES_SERVICE_HOST", apiServer));

        var isIpv6 = apiServer.Contains(':', StringComparison.Ordinal);
        Assert.Equal(!isIpv6, rules.IsBypassed(new Uri("https://10.96.0.1/")));
        Assert.Equal(isIpv6, rules.IsBypassed(new Uri("https://[fd00:10:96::1]/")));
    }

    [Fact]
    public void Credentials_of_a_proxy_are_for_that_proxy_and_not_part_of_its_address()
    {
        var rules = Read(("http_proxy", "http://one:p%40ss%3Aword@plain.corp:3128"), ("https_proxy", "tls.corp:3128"));
        var proxy = rules.GetProxy(new Uri("http://registry.example"))!;

        Assert.Equal("http://plain.corp:3128/", proxy.AbsoluteUri);
        Assert.Equal(("one", "p@ss:word"), Shown(rules, proxy));
        Assert.Null(((ICredentials)rules).GetCredential(rules.GetProxy(new Uri("https://registry.example"))!, "Basic"));
    }

    [Theory]
    [InlineData("socks5://proxy.corp:1080")]
    [InlineData("proxy.corp:port")]
    [InlineData("http://")]
    [InlineData("http://proxy.corp/path")]
    [InlineData("http://proxy.corp?x")]
    public void An_address_that_is_no_proxys_is_refused_by_the_name_of_its_variable(string address)
    {
        var lower = Assert.Throws<InvalidSettingException>(() => Read(("http_proxy", address)));
        var upper = Assert.Throws<InvalidSettingException>(() => Read(("HTTPS_PROXY", address)));

        Assert.StartsWith($"http_proxy: \"{address}\" is not accepted", lower.Message, StringComparison.Ordinal);
        Assert.StartsWith($"HTTPS_PROXY: \"{address}\" is not accepted", upper.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("socks5://robot:secret@proxy.corp:1080")]
    [InlineData("http://robot:secret#1@proxy.corp:3128")]
    [InlineData("http://robot:secret/1@proxy.corp:3128")]
    [InlineData("http://robot:secret@1@proxy.corp:3128/path")]
    public void A_refusal_shows_neither_user_nor_password(string address)
    {
        var wrong = Assert.Throws<InvalidSettingException>(() => Read(("http_proxy", address)));

        Assert.DoesNotContain("robot", wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", wrong.Message, StringComparison.Ordinal);
        Assert.Contains("@proxy.corp", wrong.Message, StringComparison.Ordinal);
    }

    private static (string, string) Shown(ICredentials rules, Uri proxy) => rules.GetCredential(proxy, "Basic") is { } shown
        ? (shown.UserName, shown.Password)
        : default;

    private static ProxyRules Read(params (string Name, string? Value)[] variables) =>
        ProxyRules.From(name => variables.FirstOrDefault(variable => variable.Name == name).Value);
}
