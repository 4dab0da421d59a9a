using Kuik.ImageFetcher;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class GoogleIdentityTests : IAsyncLifetime
{
    private const string Address = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";

    private readonly FakeTimeProvider time = new();
    private ScriptedCloud cloud = null!;

    public async ValueTask InitializeAsync() => cloud = await ScriptedCloud.Start();

    public ValueTask DisposeAsync() => cloud.DisposeAsync();

    [Theory]
    [InlineData(null, Address)]
    [InlineData("metadata.example.com:8080", "http://metadata.example.com:8080/computeMetadata/v1/instance/service-accounts/default/token")]
    public async Task The_metadata_server_gives_the_workloads_token_without_a_proxy(string? metadata, string address)
    {
        cloud.Answers($"GET {address}", """{"access_token":"hunter2","expires_in":3599,"token_type":"Bearer"}""");

        var got = await Ask(metadata);

        Assert.Equal(new CloudToken(new RegistryCredential("oauth2accesstoken", "hunter2"), time.GetUtcNow().AddSeconds(3599)), got);
        var request = Assert.Single(cloud.Requests);
        Assert.Equal((true, "Google"), (request.IsDirect, request.Headers["metadata-flavor"]));
    }

    [Theory]
    [InlineData("gcr.io", true)]
    [InlineData("eu.gcr.io", true)]
    [InlineData("europe-west1-docker.pkg.dev", true)]
    [InlineData("pkg.dev", false)]
    [InlineData("gcr.io.example.com", false)]
    [InlineData("notgcr.io", false)]
    [InlineData("eu.gcr.io:443", false)]
    [InlineData("docker.io", false)]
    public void Its_registries_are_known_by_their_names(string host, bool isIts) =>
        Assert.Equal(isIts, Identity(null).For(host) is not null);

    [Theory]
    [InlineData(404, "", ": 404")]
    [InlineData(200, """{"error":"hunter2"}""", ": the answer holds no usable access_token")]
    [InlineData(200, """{"access_token":"hunter2"}""", ": the answer holds no usable expires_in")]
    [InlineData(200, """{"access_token":"hunter2","expires_in":1e300}""", ": the answer holds no usable expires_in")]
    [InlineData(200, """{"\ud800":"hunter2","expires_in":"\udc00"}""", ": the answer holds no usable access_token")]
    public async Task What_it_did_not_give_is_told_without_a_token(int status, string body, string told)
    {
        cloud.Answers($"GET {Address}", body, status);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(() => Ask(null));

        Assert.Equal($"GET {Address}{told}", refusal.Message);
    }

    [Fact]
    public async Task A_metadata_server_that_does_not_answer_is_told_when_the_time_is_up()
    {
        cloud.Holds($"GET {Address}");
        using var limit = new CancellationTokenSource();
        var asking = Identity(null).For("gcr.io")!(limit.Token);
        await Eventually.True(() => cloud.Requests.Count == 1, "the metadata server was asked");

        await limit.CancelAsync();

        Assert.Equal($"GET {Address}: no answer in time", (await Assert.ThrowsAsync<CloudIdentityException>(() => asking)).Message);
    }

    [Fact]
    public async Task A_metadata_host_that_is_none_is_told()
    {
        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(() => Ask("meta data"));

        Assert.Equal("GCE_METADATA_HOST is \"meta data\", which is no host", refusal.Message);
    }

    private GoogleIdentity Identity(string? metadata) =>
        new(new ConfigurationBuilder().AddInMemoryCollection([new("GCE_METADATA_HOST", metadata)]).Build(), cloud.Connections, time);

    private Task<CloudToken> Ask(string? metadata) =>
        Identity(metadata).For("europe-docker.pkg.dev")!(TestContext.Current.CancellationToken);
}
