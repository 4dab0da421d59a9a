using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Runtime.InteropServices;
using Kuik.Hosting;
using Kuik.Testing;
using Kuik.Webhook;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>The webhook in this process, asked over real TLS, with its certificate in files as the kubelet lays out a Secret.</summary>
public sealed class CertificateReloaderTests : IAsyncLifetime
{
    private readonly CertificateAuthority _authority = new("kuik-webhook");
    private readonly SecretVolume _secret = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);
    private readonly ConcurrentQueue<string> _log = new();
    private WebApplication _webhook = null!;

    private CertificateReloader Reload => _webhook.Services.GetServices<IHostedService>().OfType<CertificateReloader>().Single();

    public async ValueTask InitializeAsync()
    {
        _secret.Replace(_authority.Issue("CN=first", "localhost"));
        var builder = WebApplication.CreateSlimBuilder(
            ["--Urls=https://127.0.0.1:0", $"--Kestrel:Certificates:Default:Path={_secret.Certificate}",
                $"--Kestrel:Certificates:Default:KeyPath={_secret.Key}"]);
        builder.AddKuikDefaults("webhook");
        builder.Services.AddSingleton<TimeProvider>(_time);
        builder.Logging.ClearProviders().AddProvider(new KeepLines(_log));
        builder.AddPodRewriting();
        _webhook = builder.Build();
        _webhook.MapKuikHealth();
        await _webhook.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _webhook.DisposeAsync();
        _secret.Delete();
    }

    [Fact]
    public async Task A_Secret_that_is_swapped_whole_is_served_to_new_connections_while_open_ones_go_on()
    {
        using var open = new Client();
        Assert.Equal("CN=first", await open.Ask(_webhook));

        _secret.Replace(_authority.Issue("CN=second", "localhost"));
        Reload.Reload();
        Reload.Reload();

        using var fresh = new Client();
        Assert.Equal("CN=second", await fresh.Ask(_webhook));
        Assert.Equal("CN=first", await open.Ask(_webhook));   // the same connection still, or it would have seen the second
        Assert.Equal(1, open.Handshakes);
        Assert.Single(_log, line => line.Contains("CN=second", StringComparison.Ordinal));
    }

    [Fact]
    public async Task It_looks_by_itself()
    {
        _secret.Replace(_authority.Issue("CN=second", "localhost"));

        await Eventually.True(
            async () =>
            {
                _time.Advance(CertificateReloader.Interval);
                using var client = new Client();
                return await client.Ask(_webhook) == "CN=second";
            },
            "the second certificate is served");
    }

    [Fact]
    public async Task Files_changed_in_place_are_served_too()
    {
        var second = _authority.Issue("CN=second", "localhost");
        File.WriteAllText(_secret.Certificate, second.Certificate);
        Reload.Reload();   // the key has not come yet
        File.WriteAllText(_secret.Key, second.Key);

        Reload.Reload();

        using var client = new Client();
        Assert.Equal("CN=second", await client.Ask(_webhook));
    }

    [Theory]
    [InlineData("no certificate at all")]
    [InlineData("")]
    [InlineData(null)]
    public async Task A_file_that_cannot_be_used_keeps_the_old_certificate_and_is_said_once(string? broken)
    {
        if (broken is null)
            File.Delete(_secret.Certificate);
        else
            _secret.Replace(_authority.Issue("CN=second", "localhost") with { Certificate = broken });

        Reload.Reload();
        Reload.Reload();
        Reload.Reload();

        using var client = new Client();
        Assert.Equal("CN=first", await client.Ask(_webhook));
        Assert.Single(_log, line =>
            line.StartsWith("The new certificate cannot be used; the old one, valid until ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_a_file_that_could_not_be_used_the_next_good_one_is_served()
    {
        _secret.Replace(new PemPair("broken", "broken"));
        Reload.Reload();
        _secret.Replace(_authority.Issue("CN=third", "localhost"));

        Reload.Reload();

        using var client = new Client();
        Assert.Equal("CN=third", await client.Ask(_webhook));
    }

    [Fact]
    public async Task The_certificates_between_ours_and_its_authority_are_sent_along()
    {
        var between = new CertificateAuthority("between", above: _authority);
        var leaf = between.Issue("CN=second", "localhost");
        _secret.Replace(leaf with { Certificate = leaf.Certificate + between.Pem });
        Reload.Reload();

        using var client = new Client();
        await client.Ask(_webhook);

        Assert.Equal(["CN=between", "CN=second"], client.Sent.Order());
    }

    /// <summary>An HTTP client with one connection, which notes the certificate of its last handshake.</summary>
    private sealed class Client : IDisposable
    {
        private readonly HttpClient _http;
        private string? _subject;

        public Client() => _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            MaxConnectionsPerServer = 1,
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                {
                    Handshakes++;
                    _subject = certificate!.Subject;
                    Sent.AddRange(chain!.ChainPolicy.ExtraStore.Select(one => one.Subject));
                    return true;   // what is asked here is which one is served
                },
            },
        });

        public int Handshakes { get; private set; }

        public List<string> Sent { get; } = [];

        public async Task<string?> Ask(WebApplication webhook)
        {
            using var answer = await _http.GetAsync(new Uri(webhook.Urls.Single() + "/healthz"));
            return answer.StatusCode == HttpStatusCode.OK ? _subject : answer.StatusCode.ToString();
        }

        public void Dispose() => _http.Dispose();
    }

    /// <summary>A folder as the kubelet makes it of a Secret: tls.crt and tls.key lead through ..data to a folder that an update replaces
    /// by renaming a link.</summary>
    private sealed class SecretVolume
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("kuik-secret-").FullName;
        private int _version;

        public SecretVolume()
        {
            File.CreateSymbolicLink(Certificate, "..data/tls.crt");
            File.CreateSymbolicLink(Key, "..data/tls.key");
        }

        public string Certificate => Path.Combine(_folder, "tls.crt");

        public string Key => Path.Combine(_folder, "tls.key");

        public void Replace(PemPair pair)
        {
            var (version, data, next) = ($"..{++_version}", Path.Combine(_folder, "..data"), Path.Combine(_folder, "..data_tmp"));
            var old = Directory.Exists(data) ? Directory.ResolveLinkTarget(data, returnFinalTarget: false)!.FullName : null;
            pair.WriteTo(Directory.CreateDirectory(Path.Combine(_folder, version)).FullName, "tls");
            Directory.CreateSymbolicLink(next, version);
            Assert.Equal(0, Rename(next, data));
            if (old is not null)
                Directory.Delete(old, recursive: true);
        }

        public void Delete() => Directory.Delete(_folder, recursive: true);

        // Directory.Move would not replace a link that is there.
        [DllImport("libc", EntryPoint = "rename", SetLastError = true)]
        private static extern int Rename([MarshalAs(UnmanagedType.LPUTF8Str)] string from, [MarshalAs(UnmanagedType.LPUTF8Str)] string to);
    }
}
