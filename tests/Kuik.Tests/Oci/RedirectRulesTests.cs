using System.Net;
using Kuik.Hosting;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public sealed class RedirectRulesTests
{
    private static readonly string[] Public = ["8.8.8.8", "172.15.255.255", "172.32.0.0", "192.167.255.255", "100.63.255.255",
        "100.128.0.0", "2001:db8::1", "64:ff9b::808:808", "::ffff:8.8.8.8"];
    private static readonly string[] Private = ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.0.1",
        "fc00::1", "fd12::1", "fec0::1", "::ffff:10.1.2.3", "64:ff9b::a01:203"];
    private static readonly string[] Loopback =
        ["127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1"];
    private static readonly string[] LinkLocal = ["169.254.0.1", "169.254.170.2", "fe80::1", "fe80::1%2", "febf::1", "::ffff:169.254.1.1"];
    private static readonly string[] Metadata = ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254",
        "fd20:ce::254", "100.100.100.200", "168.63.129.16"];

    [Fact]
    public void Where_a_registry_may_send_us_depends_on_where_it_is_itself()
    {
        var rules = new RedirectRules([]);

        Assert.Equal(Public, Allowed(rules, AddressKind.Public));
        Assert.Equal([.. Public, .. Private], Allowed(rules, AddressKind.Private));
        Assert.Equal([.. Public, .. Private, .. Loopback], Allowed(rules, AddressKind.Loopback));
    }

    [Fact]
    public void A_registry_that_is_on_no_network_of_ours_is_treated_as_public()
    {
        var rules = new RedirectRules([]);

        Assert.Equal(Public, Allowed(rules, AddressKind.LinkLocal));
        Assert.Equal(Public, Allowed(rules, AddressKind.Metadata));
    }

    [Fact]
    public void The_setting_allows_private_and_loopback_addresses_and_never_link_local_or_metadata_ones() =>
        Assert.Equal([.. Public, .. Private, .. Loopback], Allowed(new RedirectRules(["0.0.0.0/0", "::/0"]), AddressKind.Public));

    [Theory]
    [InlineData("10.1.2.3", true)]
    [InlineData("10.1.2.3/8", true)]
    [InlineData("10.0.0.0/16", false)]
    [InlineData("Storage.Corp.example", true)]
    [InlineData("corp.example", false)]
    public void What_is_allowed_is_an_address_a_network_or_a_host(string allowed, bool isAllowed)
    {
        var objection = new RedirectRules([allowed]).Objection("storage.corp.example.", IPAddress.Parse("10.1.2.3"), AddressKind.Public);

        Assert.Equal(isAllowed, objection is null);
    }

    [Theory]
    [InlineData("169.254.169.254")]
    [InlineData("169.254.0.0/16")]
    [InlineData("fe80::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("metadata.google.internal")]
    [InlineData("http://storage.corp")]
    [InlineData("10.0.0.0/33")]
    [InlineData("storage.corp:9000")]
    [InlineData("[fd12::1]:80")]
    [InlineData("")]
    public void What_cannot_be_allowed_is_refused_by_name(string entry)
    {
        var wrong = Assert.Throws<InvalidSettingException>(() => new RedirectRules([entry]));

        Assert.StartsWith($"Kuik:AllowedPrivateAddresses: \"{entry}\"", wrong.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Allowed(RedirectRules rules, AddressKind origin) =>
        new[] { Public, Private, Loopback, LinkLocal, Metadata }.SelectMany(addresses => addresses)
            .Where(address => rules.Objection("somewhere.example", IPAddress.Parse(address), origin) is null);
}
