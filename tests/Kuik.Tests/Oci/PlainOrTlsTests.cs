using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Hosts that are listed without a scheme: TLS, or plain HTTP where the port does not speak it.</summary>
public sealed class PlainOrTlsTests : IAsyncLifetime
{
    private static readonly RegistryCredential Robot = new("robot", "secret");

    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private ScriptedOrigin tls = null!;
    private ScriptedOrigin plain = null!;
    private int brokenHandshakes;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        tls = await ScriptedOrigin.Start(new CertificateAuthority("any").Issue("CN=origin", "127.0.0.1"));
        plain = await ScriptedOrigin.Start();
        tls.Add("team/web", "1", image);
        plain.Add("team/web", "1", image);
    }

    public async ValueTask DisposeAsync()
    {
        await tls.DisposeAsync();
        await plain.DisposeAsync();
    }

    [Fact]
    public async Task One_broken_handshake_does_not_turn_a_host_to_plain_HTTP()
    {
        brokenHandshakes = 1;
        using var client = Client(tls.Host);

        var first = await Assert.ThrowsAsync<RegistryException>(() => Pull(client, tls.Host));

        Assert.Equal(RegistryErrorKind.Unreachable, first.Kind);
        Assert.Equal(image.Bytes, await Pull(client, tls.Host));
    }

    [Fact]
    public async Task A_host_that_has_spoken_TLS_is_not_asked_without_it_and_shows_no_password_so()
    {
        var (host, port) = (tls.Host, tls.Host.Split(':')[1]);
        using var client = Client(host);
        await Pull(client, host);
        await tls.DisposeAsync();
        using var impostor = new ReadsWhatComes(int.Parse(port, CultureInfo.InvariantCulture));

        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, host));

        Assert.DoesNotContain("HTTP/1.1", impostor.Read, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(503)]
    public async Task What_does_not_answer_as_a_registry_is_not_remembered_as_plain(int status)
    {
        var connections = 0;
        plain.Script = _ => Misbehave.Answer(status);
        using var client = Client(plain.Host, () => connections++);

        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, plain.Host));
        var first = connections;
        await Assert.ThrowsAsync<RegistryException>(() => Pull(client, plain.Host));

        Assert.Equal((2, 3), (first, connections));   // TLS was tried again, and the connection without it was there
    }

    [Fact]
    public async Task A_plain_registry_is_asked_with_TLS_again_after_ten_minutes()
    {
        var connections = 0;
        using var client = Client(plain.Host, () => connections++);

        await Pull(client, plain.Host);
        var first = connections;
        await Pull(client, plain.Host);
        var known = connections;
        time.Advance(RegistryEndpoints.PlainLifetime);
        await Pull(client, plain.Host);

        Assert.Equal((2, 2, 3), (first, known, connections));   // the connection without TLS is used again
    }

    private RegistryClient Client(string host, Action? connected = null) => new(
        new RegistryEndpoints([host]), [], time, new RegistryNetwork
        {
            Redirects = new RedirectRules(["127.0.0.1"]),
            Connect = async (to, ct) =>
            {
                connected?.Invoke();
                var stream = await RegistryNetwork.ConnectByTcp(to, ct);
                if (brokenHandshakes-- <= 0)
                    return stream;
                await stream.DisposeAsync();
                return new EndedStream();
            },
        });

    private static async Task<byte[]> Pull(RegistryClient client, string host) =>
        (await client.GetManifest(new RegistryRepository(host, "team/web"), "1", Robot, Stop)).Bytes;

    /// <summary>A connection that ends at once.</summary>
    private sealed class EndedStream : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.CompletedTask;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult(0);
    }

    /// <summary>A server that ends each connection after what came first.</summary>
    private sealed class ReadsWhatComes : IDisposable
    {
        private readonly TcpListener listener;
        private readonly StringBuilder read = new();

        public ReadsWhatComes(int port)
        {
            listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            _ = Serve();
        }

        public string Read
        {
            get
            {
                lock (read)
                    return read.ToString();
            }
        }

        public void Dispose() => listener.Dispose();

        private async Task Serve()
        {
            try
            {
                while (true)
                {
                    using var connection = await listener.AcceptTcpClientAsync();
                    var buffer = new byte[4096];
                    var got = await connection.GetStream().ReadAsync(buffer);
                    lock (read)
                        read.Append(Encoding.Latin1.GetString(buffer, 0, got));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
            {
                // The test is over.
            }
        }
    }
}
