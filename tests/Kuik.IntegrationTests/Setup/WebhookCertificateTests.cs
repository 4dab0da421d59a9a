using Kuik.IntegrationTests.PodWatcher;
using Kuik.PodWatcher.Setup;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Setup;

/// <summary>The webhook's certificate on a real kube-apiserver, which also is the client that verifies it.</summary>
[Collection(nameof(Cluster))]
public sealed class WebhookCertificateTests(Cluster cluster)
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_first_pass_makes_everything_and_the_second_changes_nothing()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.ApplyWebhook();
        var certificates = world.Certificates(new FakeTimeProvider(Start));

        var (bundle, first) = await certificates.Reconcile(Stop);
        await world.Credentials().Reconcile(Stop);
        var before = await world.Versions();
        var (_, second) = await certificates.Reconcile(Stop);

        Assert.Equal((Publication.Written, Publication.WasThere), (first, second));
        Assert.Equal(before, await world.Versions());
        Assert.Equal(bundle, await world.CaBundle());
        Assert.Equal(bundle, (await world.Secret("kuik-webhook-tls"))!["ca.crt"]);
        Assert.Equal(["ca.crt", "tls.crt", "tls.key"], (await world.Secret("kuik-webhook-tls"))!.Keys.Order());
        Assert.Equal(["tls.crt", "tls.key"], (await world.Secret("kuik-webhook-ca"))!.Keys.Order());
    }

    [Fact]
    public async Task Several_at_once_agree_on_one_authority_and_one_certificate()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.ApplyWebhook();
        var replicas = Enumerable.Range(0, 6).Select(_ => world.Certificates(new FakeTimeProvider(Start)));

        var seen = await Task.WhenAll(replicas.Select(replica => Task.Run(() => replica.Reconcile(Stop), Stop)));

        var authority = await Pair(world, "kuik-webhook-ca");
        Assert.All(seen, one => Assert.Equal(authority.Certificates, one.Bundle));
        Assert.Equal(authority.Certificates, await world.CaBundle());
        Assert.True(WebhookCertificates.IsSignedBy(await Pair(world, "kuik-webhook-tls"), authority));
    }

    [Fact]
    public async Task A_certificate_is_renewed_at_two_thirds_by_the_same_authority()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.ApplyWebhook();
        var time = new FakeTimeProvider(Start);
        await world.Certificates(time).Reconcile(Stop);
        var first = await Pair(world, "kuik-webhook-tls");

        time.SetUtcNow(Start.AddDays(59));
        await world.Certificates(time).Reconcile(Stop);
        var stillFirst = await Pair(world, "kuik-webhook-tls");
        time.SetUtcNow(Start.AddDays(61));
        await world.Certificates(time).Reconcile(Stop);
        var second = await Pair(world, "kuik-webhook-tls");

        Assert.Equal(first, stillFirst);
        Assert.NotEqual(first, second);
        Assert.Equal(Start.AddDays(61 + 90), WebhookCertificates.EndOf(second));
        Assert.True(WebhookCertificates.IsSignedBy(second, await Pair(world, "kuik-webhook-ca")));
    }

    [Fact]
    public async Task A_new_authority_is_in_caBundle_one_pass_before_the_certificate_changes_and_the_old_one_stays_until_it_has_ended()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.ApplyWebhook();
        var time = new FakeTimeProvider(Start);
        await world.Certificates(time).Reconcile(Stop);
        var old = await Pair(world, "kuik-webhook-ca");
        time.SetUtcNow(Start.AddDays(240));
        await world.Certificates(time).Reconcile(Stop);   // a certificate that ends after the authority is renewed
        var before = await Pair(world, "kuik-webhook-tls");

        time.SetUtcNow(Start.AddDays(244));
        var (bundle, written) = await world.Certificates(time).Reconcile(Stop);
        var between = await Pair(world, "kuik-webhook-tls");
        var (same, wasThere) = await world.Certificates(time).Reconcile(Stop);
        var after = await Pair(world, "kuik-webhook-tls");
        var renewed = await Pair(world, "kuik-webhook-ca");
        time.SetUtcNow(Start.AddDays(366));
        await world.Certificates(time).Reconcile(Stop);

        Assert.Equal((Publication.Written, Publication.WasThere), (written, wasThere));
        Assert.Equal((before, bundle), (between, same));
        Assert.Contains(old.Certificates, bundle, StringComparison.Ordinal);
        Assert.Equal(bundle, renewed.Certificates);
        Assert.NotEqual(old.Key, renewed.Key);
        Assert.True(WebhookCertificates.IsSignedBy(before, old));
        Assert.True(WebhookCertificates.IsSignedBy(after, renewed));
        Assert.DoesNotContain(old.Certificates, await world.CaBundle(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_authority_whose_Secret_is_lost_is_replaced_and_the_certificate_that_is_served_stays_trusted()
    {
        await using var world = await SetupWorld.In(cluster);
        await world.ApplyWebhook();
        var certificates = world.Certificates(new FakeTimeProvider(Start));
        await certificates.Reconcile(Stop);
        var (old, served) = (await Pair(world, "kuik-webhook-ca"), await Pair(world, "kuik-webhook-tls"));
        await world.DeleteSecret("kuik-webhook-ca");

        var (bundle, _) = await certificates.Reconcile(Stop);

        Assert.Equal(served, await Pair(world, "kuik-webhook-tls"));
        Assert.Contains(old.Certificates, bundle, StringComparison.Ordinal);
        Assert.Equal(bundle, await world.CaBundle());
    }

    [Fact]
    public async Task Without_a_webhook_configuration_the_certificate_is_made_and_caBundle_is_written_when_there_is_one()
    {
        await using var world = await SetupWorld.In(cluster);
        var certificates = world.Certificates(new FakeTimeProvider(Start));

        var (bundle, publication) = await certificates.Reconcile(Stop);
        await world.ApplyWebhook();
        var later = await certificates.Publish(bundle, Stop);
        await world.ApplyWebhook();   // again, as with each upgrade

        Assert.Equal((Publication.NoConfiguration, Publication.Written), (publication, later));
        Assert.Equal(bundle, await world.CaBundle());
    }

    [Fact]
    public async Task The_API_server_trusts_the_webhook_before_between_and_after_a_change_of_the_authority()
    {
        await using var world = await SetupWorld.In(cluster);
        var (http, https) = (FreePort.Next(), FreePort.Next());
        await world.ApplyWebhook($"https://localhost:{https}/mutate-core-v1-pod");
        var now = DateTimeOffset.UtcNow;
        var time = new FakeTimeProvider(now.AddDays(-244));
        var certificates = world.Certificates(time, world.Options with { WebhookNames = ["localhost"] });
        await certificates.Reconcile(Stop);
        time.SetUtcNow(now.AddDays(-30));
        await certificates.Reconcile(Stop);
        await AssertServes(world, http, https);

        time.SetUtcNow(now);
        var (_, written) = await certificates.Reconcile(Stop);
        await AssertServes(world, http, https);
        var before = await Pair(world, "kuik-webhook-tls");
        await certificates.Reconcile(Stop);
        await AssertServes(world, http, https);

        Assert.Equal(Publication.Written, written);
        Assert.NotEqual(before, await Pair(world, "kuik-webhook-tls"));
    }

    /// <summary>Runs the webhook with the files of its Secret until the API server has asked it.</summary>
    private static async Task AssertServes(SetupWorld world, int http, int https)
    {
        var pair = await Pair(world, "kuik-webhook-tls");
        var folder = Sandbox.Shared.NewFolder("kuik-webhook-tls");
        var (certificate, key) = new PemPair(pair.Certificates, pair.Key).WriteTo(folder, "tls");
        var webhook = await KuikService.Start("Webhook", new KuikServiceOptions
        {
            Port = http,
            Settings = new Dictionary<string, string?>
            {
                ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{http};https://127.0.0.1:{https}",
                ["Kestrel:Certificates:Default:Path"] = certificate,
                ["Kestrel:Certificates:Default:KeyPath"] = key,
                ["Kuik:Webhook:ShutdownDelay"] = "0",
            },
        });
        await Eventually.True(async () => await world.ImageOfNewPod() == "localhost:7439/nginx:1", "the API server has asked the webhook");
        webhook.Kill();
        Assert.Equal("nginx:1", await world.ImageOfNewPod());   // it was this one
    }

    private static async Task<CertificatePair> Pair(SetupWorld world, string secret) =>
        await world.Secret(secret) is { } data
            ? new CertificatePair(data["tls.crt"], data["tls.key"])
            : throw new InvalidOperationException($"there is no Secret {secret}");
}
