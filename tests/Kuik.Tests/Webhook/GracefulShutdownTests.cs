using System.Net;
using Kuik.Hosting;
using Kuik.Testing;
using Kuik.Webhook;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>From SIGTERM to the closed listener.</summary>
public sealed class GracefulShutdownTests
{
    private const string Review =
        """{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"7","operation":"CREATE","object":{"metadata":{},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}}}""";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Reviews_are_answered_and_readiness_fails_until_the_delay_is_over()
    {
        var time = new FakeTimeProvider();
        await using var webhook = new WebhookInProcess();
        await webhook.Start(time, "--Kuik:Webhook:ShutdownDelay=00:00:10");
        using (var before = await Post(webhook))
            Assert.NotEqual(true, before.Headers.ConnectionClose);

        webhook.App.Lifetime.StopApplication();   // as SIGTERM does
        var stopping = webhook.App.StopAsync(Ct);

        for (var i = 0; i < 3; i++)   // each on a connection of its own, since each answer closes its own
        {
            using var answer = await Post(webhook);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.True(answer.Headers.ConnectionClose);
        }
        using (var ready = await webhook.Http.GetAsync("/readyz", Ct))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        using (var alive = await webhook.Http.GetAsync("/healthz", Ct))
            Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(stopping.IsCompleted);
        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return stopping.IsCompleted;
            },
            "the service has stopped");
        await stopping;
        await Assert.ThrowsAsync<HttpRequestException>(() => Post(webhook));
    }

    [Theory]
    [InlineData("5")]   // days, to .NET
    [InlineData("-00:00:01")]
    [InlineData("00:10:01")]
    [InlineData("5s")]
    public void A_wrong_delay_is_refused_by_its_key(string delay)
    {
        var refused = Assert.Throws<InvalidSettingException>(() =>
            WebApplication.CreateSlimBuilder(["--Urls=http://127.0.0.1:0", $"--{GracefulShutdown.Setting}={delay}"]).AddPodRewriting());

        Assert.StartsWith($"Kuik:Webhook:ShutdownDelay: \"{delay}\"", refused.Message, StringComparison.Ordinal);
    }

    private static Task<HttpResponseMessage> Post(WebhookInProcess webhook) =>
        webhook.Http.PostAsync("/mutate-core-v1-pod", new StringContent(Review), Ct);
}
