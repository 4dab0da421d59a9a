using System.Net;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>The addresses that registries themselves may have, on the wire: what is really connected to.</summary>
public sealed class WhereRegistriesAreTests : IAsyncLifetime
{
    private readonly TestInternet internet = new();
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin origin = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private int Port => new Uri("http://" + origin.Host).Port;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        origin.Add("team/web", "1", image);
        internet.Name("loopback.test", "127.0.0.1");
        internet.Name("any.test", "0.0.0.0");
        internet.Name("six.test", "::1");
        internet.Name("metadata.test", "169.254.169.254");
        internet.Name("link.test", "fe80::1");
        internet.Name("private.test", "10.1.1.1");
        internet.Name("both.test", "127.0.0.1", "203.0.113.1");
    }

    public ValueTask DisposeAsync() => origin.DisposeAsync();

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.1")]
    [InlineData("0x7f.1")]
    [InlineData("2130706433")]
    [InlineData("0177.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("[::1]")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("[::]")]
    [InlineData("loopback.test")]
    [InlineData("any.test")]
    [InlineData("six.test")]
    [InlineData("169.254.169.254")]
    [InlineData("0xa9fea9fe")]
    [InlineData("metadata.test")]
    [InlineData("metadata.google.internal")]
    [InlineData("link.test")]
    public async Task This_machine_its_link_and_metadata_are_no_registry_however_they_are_written(string host)
    {
        using var client = Client(insecure: [], allowed: []);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, $"{host}:{Port}"));

        Assert.Equal((RegistryErrorKind.Refused, HttpStatusCode.Forbidden, false), (error.Kind, error.Status, error.IsTransient));
        Assert.Contains("is not pulled from", error.Message, StringComparison.Ordinal);
        Assert.Empty(internet.Connected);
    }

    [Theory]
    [InlineData("169.254.169.254")]
    [InlineData("metadata.test")]
    [InlineData("link.test")]
    public async Task Metadata_and_link_local_are_none_even_where_they_are_listed(string host)
    {
        using var client = Client([$"http://{host}:{Port}"], ["0.0.0.0/0", "metadata.test"]);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, $"{host}:{Port}"));

        Assert.EndsWith("which is never allowed", error.Message, StringComparison.Ordinal);
        Assert.Empty(internet.Connected);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("loopback.test")]
    [InlineData("private.test")]
    public async Task A_registry_on_this_machine_that_is_listed_as_insecure_and_one_on_a_private_network_are_pulled_from(string host)
    {
        using var client = Client([$"http://{host}:{Port}"], []);

        Assert.Equal(image.Bytes, await Pull(client, $"{host}:{Port}"));
    }

    [Fact]
    public async Task A_registry_on_this_machine_whose_address_is_allowed_is_asked()
    {
        using var client = Client([], ["127.0.0.0/8"]);

        // by TLS, which it does not speak
        var error = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, $"loopback.test:{Port}"));

        Assert.Equal(RegistryErrorKind.Unreachable, error.Kind);
        Assert.Equal(["127.0.0.1"], internet.Connected);
    }

    [Fact]
    public async Task Of_several_addresses_only_the_ones_that_may_be_are_connected_to()
    {
        using var client = Client([], []);

        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, $"both.test:{Port}"));

        Assert.Equal(["203.0.113.1"], internet.Connected);
    }

    private RegistryClient Client(string[] insecure, string[] allowed) =>
        new(new RegistryEndpoints(insecure), [], TimeProvider.System, internet.Network(allowed));

    private static async Task<byte[]> Pull(RegistryClient client, string host) =>
        (await client.GetManifest(new RegistryRepository(host, "team/web"), "1", null, Stop)).Bytes;
}
