using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Kuik.Testing;
using Kuik.Webhook;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>The limits on clients of the webhook, over real sockets.</summary>
public sealed class ReviewLimitsTests : IAsyncLifetime
{
    private const string Path = "/mutate-core-v1-pod";
    private const string Usual =
        """{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"7","operation":"CREATE","object":{"metadata":{},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}}}""";

    private readonly WebhookInProcess _webhook = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => _webhook.Start();

    public ValueTask DisposeAsync() => _webhook.DisposeAsync();

    [Fact]
    public async Task More_large_reviews_than_fit_are_refused_at_once_while_usual_ones_are_answered()
    {
        // Reviews that begin and do not go on hold the places; each attempt is over before they are cut off for being slow, on any
        // machine in the end.
        await Eventually.True(
            async () =>
            {
                var stalled = await Task.WhenAll(Enumerable.Range(0, 2 * ReviewLimits.MostLarge)
                    .Select(_ => Begin((int)ReviewLimits.LargestUsual + 1)));
                try
                {
                    using var more = await Begin((int)ReviewLimits.LargestUsual + 1);
                    var refused = await FirstAnswer(more);
                    using var usual = await _webhook.Http.PostAsync(Path, new StringContent(Usual), Ct);
                    Assert.Equal(HttpStatusCode.OK, usual.StatusCode);
                    // an API server's client would wait for it
                    Assert.DoesNotContain("Retry-After", refused, StringComparison.OrdinalIgnoreCase);
                    return refused.StartsWith("HTTP/1.1 503 ", StringComparison.Ordinal);
                }
                finally
                {
                    foreach (var client in stalled)
                        client.Dispose();
                }
            },
            "a large review beyond those that fit and wait is answered 503");

        Assert.Contains(_webhook.Log, line => line.Contains("too many reviews at once", StringComparison.Ordinal));
        await Eventually.True(async () => await Post(Usual + new string(' ', (int)ReviewLimits.LargestUsual)) == HttpStatusCode.OK,
            "the places are free again");
    }

    [Fact]
    public async Task A_body_that_does_not_come_is_cut_off()
    {
        using var stalled = await Begin(1000);

        // Its limit is 2 seconds; what is waited for is that there is one.
        Assert.StartsWith("HTTP/1.1 408 ", await FirstAnswer(stalled), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_of_a_declared_length_over_the_limit_is_refused_before_any_of_it_is_read()
    {
        using var client = await Begin((int)ReviewLimits.LargestBody + 1);

        Assert.StartsWith("HTTP/1.1 413 ", await FirstAnswer(client), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_without_a_declared_length_is_read_up_to_the_limit()
    {
        using var small = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(Usual) };
        small.Headers.TransferEncodingChunked = true;
        using var answered = await _webhook.Http.SendAsync(small, Ct);

        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        using var client = await Begin(length: null);
        var chunk = Encoding.ASCII.GetBytes("100000\r\n" + new string(' ', 0x100000) + "\r\n");
        try
        {
            for (var sent = 0L; sent <= ReviewLimits.LargestBody; sent += 0x100000)
                await client.GetStream().WriteAsync(chunk, Ct);
        }
        catch (IOException)
        {
            // answered and closed before all was sent
        }
        await Eventually.True(() => _webhook.Log.Any(line => line.Contains("refused with 413", StringComparison.Ordinal)), "it is refused");
    }

    [Fact]
    public async Task A_pod_of_too_many_containers_is_allowed_unchanged_and_counted()
    {
        var containers = string.Join(',', Enumerable.Range(0, PodImages.Most + 1).Select(i => $$"""{"name":"c{{i}}"}"""));
        var review = Usual.Replace("""{"name":"a","image":"nginx:1"}""", containers, StringComparison.Ordinal);

        using var answer = await _webhook.Http.PostAsync(Path, new StringContent(review), Ct);

        Assert.Equal("""{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"7","allowed":true}}""",
            await answer.Content.ReadAsStringAsync(Ct));
        Assert.Equal(PodImages.Most + 1, _webhook.Counted.Count(outcome => outcome == "pod-too-large"));
        Assert.Contains(_webhook.Log,
            line => line.EndsWith("0 of 5001 images rewritten; left alone: it has more than 5000 containers and volumes",
                StringComparison.Ordinal));
    }

    [Fact]
    public async Task Only_HTTP_1_is_spoken_whatever_a_client_offers()
    {
        var pair = new CertificateAuthority("kuik-webhook").Issue("CN=kuik-webhook", "127.0.0.1");
        var folder = Directory.CreateTempSubdirectory("kuik-certificate-").FullName;
        var (certificate, key) = pair.WriteTo(folder, "tls");
        await using var https = new WebhookInProcess();
        await https.Start(
            TimeProvider.System, "--Urls=https://127.0.0.1:0", $"--Kestrel:Certificates:Default:Path={certificate}",
            $"--Kestrel:Certificates:Default:KeyPath={key}");
        Directory.Delete(folder, recursive: true);

        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", https.Http.BaseAddress!.Port, Ct);
        await using var tls =
            new SslStream(client.GetStream(), leaveInnerStreamOpen: true, (_, certificate, _, _) => certificate is not null);
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            { TargetHost = "127.0.0.1", ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11] }, Ct);

        Assert.Equal(SslApplicationProtocol.Http11, tls.NegotiatedApplicationProtocol);
        Assert.True(tls.SslProtocol is SslProtocols.Tls12 or SslProtocols.Tls13);
    }

    private async Task<HttpStatusCode> Post(string body)
    {
        using var answer = await _webhook.Http.PostAsync(Path, new StringContent(body), Ct);
        return answer.StatusCode;
    }

    // A request whose headers come and whose body does not.
    private async Task<TcpClient> Begin(int? length)
    {
        var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", _webhook.Http.BaseAddress!.Port, Ct);
        var framing = length is { } bytes
            ? $"Content-Length: {bytes.ToString(CultureInfo.InvariantCulture)}"
            : "Transfer-Encoding: chunked";
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST {Path} HTTP/1.1\r\nHost: webhook\r\n{framing}\r\n\r\n"), Ct);
        return client;
    }

    private static async Task<string> FirstAnswer(TcpClient client)
    {
        var buffer = new byte[4096];
        var count = await client.GetStream().ReadAsync(buffer, Ct);
        return Encoding.ASCII.GetString(buffer, 0, count);
    }
}
