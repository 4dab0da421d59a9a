using System.Net.Sockets;
using System.Text;
using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Kuik.Tests.NodeProxy;

/// <summary>The origin as a source, on the wire.</summary>
public sealed class OriginSourceTests : IAsyncLifetime
{
    private readonly TestImage _image = TestImage.Small(seed: 5);
    private ScriptedOrigin _origin = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _origin = await ScriptedOrigin.Start();
        _origin.Add("a", "1", _image);
    }

    public ValueTask DisposeAsync() => _origin.DisposeAsync();

    /// <summary>Answers to a HEAD that say nothing; 0 hangs, 200 has no length and no type.</summary>
    public static TheoryData<int> OddHeads => [0, 200, 400, 401, 403, 404, 405, 500, 501];

    [Theory]
    [MemberData(nameof(OddHeads))]
    public async Task A_blob_whose_HEAD_is_answered_oddly_is_asked_for_with_GET(int status)
    {
        AnswerHeadsWith(status);
        using var origins = Client();

        using var blob = Assert.IsType<Answer.Blob>(await Ask(origins).AskBlob(Named(_image.Config.Digest), onlyHead: true, null, Stop));

        Assert.Equal(_image.Config.Bytes.Length, blob.Length);
    }

    [Theory]
    [MemberData(nameof(OddHeads))]
    public async Task A_manifest_whose_HEAD_is_answered_oddly_is_asked_for_with_GET(int status)
    {
        AnswerHeadsWith(status);
        using var origins = Client();

        var manifest = Assert.IsType<Answer.ManifestAnswer>(await Ask(origins).AskManifest(Named("1"), onlyHead: true, Stop));

        Assert.Equal((_image.Digest, _image.Bytes.Length), (manifest.Digest, manifest.Size));
    }

    [Fact]
    public async Task A_HEAD_that_is_rate_limited_is_not_asked_again()
    {
        AnswerHeadsWith(429);
        using var origins = Client();

        Assert.Equal(429, Assert.IsType<Answer.Refused>(await Ask(origins).AskBlob(Named(_image.Config.Digest), onlyHead: true, null, Stop))
            .Status);
        Assert.Equal(429, Assert.IsType<Answer.Refused>(await Ask(origins).AskManifest(Named("1"), onlyHead: true, Stop)).Status);
        Assert.DoesNotContain(_origin.Ledger, request => request.Method == "GET");
    }

    [Fact]
    public async Task Inside_the_network_refused_silent_and_another_protocol_are_told_alike()
    {
        using var silent = Listen();
        using var talker = Listen();
        _ = Task.Run(async () =>
        {
            using var client = await talker.AcceptAsync(Stop);
            await client.SendAsync("SSH-2.0-OpenSSH_9.9\r\n"u8.ToArray(), Stop);
        }, Stop);
        var hosts = new[] { $"10.1.1.1:{FreePort.Next()}", $"10.1.1.1:{PortOf(silent)}", $"10.1.1.1:{PortOf(talker)}",
            $"10.1.1.1:{new Uri("http://" + _origin.Host).Port}" };
        using var origins = new RegistryClient(new RegistryEndpoints([]), [], TimeProvider.System,
            new RegistryNetwork { Connect = ToLoopback });
        var ask = Ask(origins);

        var answers = new List<Answer.Passed>();
        foreach (var host in hosts)
            answers.Add(Assert.IsType<Answer.Passed>(await ask.AskManifest(ImageReference.Parse(host + "/a:1"), onlyHead: false, Stop)));

        Assert.All(answers.Zip(hosts),
            one => Assert.Equal($"{one.Second} is on a private network and did not answer as a registry does; node-proxy's log has the "
                + "cause", one.First.Why));
        Assert.Equal(hosts.Length, answers.Select(answer => answer.Detail).Distinct().Count());
    }

    [Fact]
    public async Task Outside_the_network_the_cause_is_told()
    {
        using var origins = new RegistryClient(new RegistryEndpoints([]), [], TimeProvider.System,
            new RegistryNetwork { Connect = ToLoopback });

        var passed = Assert.IsType<Answer.Passed>(await Ask(origins)
            .AskManifest(ImageReference.Parse($"203.0.113.1:{FreePort.Next()}/a:1"), onlyHead: false, Stop));

        Assert.Contains("refused", passed.Why, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task An_address_of_this_machine_is_403_whatever_is_there()
    {
        using var origins = new RegistryClient(new RegistryEndpoints([]), [], TimeProvider.System);
        var ask = Ask(origins);

        foreach (var host in new[] { _origin.Host, $"127.0.0.1:{FreePort.Next()}",
            _origin.Host.Replace("127.0.0.1", "0x7f.1", StringComparison.Ordinal) })
        {
            var refused = Assert.IsType<Answer.Refused>(await ask.AskManifest(ImageReference.Parse(host + "/a:1"), onlyHead: false, Stop));
            Assert.Equal(403, refused.Status);
            Assert.EndsWith("127.0.0.1 is an address of this machine; Kuik:InsecureRegistries or Kuik:AllowedPrivateAddresses would allow "
                + "it", ErrorBody.Message(refused.Body), StringComparison.Ordinal);
        }
        Assert.Empty(_origin.Ledger);
    }

    [Fact]
    public async Task Tags_come_with_a_link_to_the_next_page()
    {
        _origin.Script = request => request.Path.StartsWith("/v2/a/tags/list", StringComparison.Ordinal) ? (http, _) =>
        {
            http.Response.Headers.Link = "</v2/a/tags/list?n=2&last=b>; rel=\"next\"";
            return http.Response.WriteAsync("""{"name":"a","tags":["a","b"]}""");
        }
        : null;
        using var origins = Client();

        var page = Assert.IsType<Answer.Tags>(await Ask(origins).AskTags(Named("1"), "?n=2", Stop)).Page;

        Assert.Equal(("""{"name":"a","tags":["a","b"]}""", "n=2&last=b"), (page.Json, page.Next));
        Assert.Contains(_origin.Ledger, request => request.Path == "/v2/a/tags/list?n=2");
    }

    [Fact]
    public async Task Referrers_are_looked_for_under_their_tag_where_there_is_no_API()
    {
        var list = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[]}""");
        _origin.AddManifest("a", _image.Digest.Replace(':', '-'), MediaTypes.OciIndex, list);
        using var origins = Client();

        Assert.Equal(list, Assert.IsType<Answer.ManifestAnswer>(await Ask(origins).AskReferrers(Named(_image.Digest), Stop)).Bytes);
    }

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        socket.Listen();
        return socket;
    }

    private static int PortOf(Socket socket) => ((System.Net.IPEndPoint)socket.LocalEndPoint!).Port;

    private static async Task<Stream> ToLoopback(System.Net.IPEndPoint to, CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(System.Net.IPAddress.Loopback, to.Port, ct);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private void AnswerHeadsWith(int status) => _origin.Script = request => request.Method != "HEAD" ? null
        : status == 0 ? (http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted)
        : (http, _) =>
        {
            http.Response.StatusCode = status;
            http.Response.ContentLength = 0;
            return Task.CompletedTask;
        };

    private ImageReference Named(string target) => ImageReference.Parse(_origin.Host + "/a").With(target);

    private RegistryClient Client() => new(new RegistryEndpoints([$"http://{_origin.Host}"]), [], TimeProvider.System);

    private static OriginSource Ask(RegistryClient origins) => new(
        origins,
        new ProxyOptions
        {
            Port = 0,
            PreviousPorts = [],
            MetricsUrls = [],
            Cache = null,
            Fetcher = null,
            OriginLimit = TimeSpan.FromSeconds(6)
        },
        new CircuitBreaker(TimeSpan.FromTicks(1), TimeProvider.System), TimeProvider.System, NullLogger<OriginSource>.Instance);
}
