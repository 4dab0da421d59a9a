using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>More requests at once than there are connections: they wait, and waiting is not the registry's silence.</summary>
public sealed class ConnectionsOfRegistriesTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private readonly TaskCompletionSource gate = new();
    private ScriptedOrigin origin = null!;

    private RegistryRepository Web => new(origin.Host, "team/web");

    private string Layer => image.Layers[0].Digest;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        origin.Add("team/web", "1", image);
        origin.Script = request => request.IsBlobDownload ? Misbehave.HoldAt(10, gate.Task) : null;
    }

    public ValueTask DisposeAsync() => origin.DisposeAsync();

    [Fact]
    public async Task A_manifest_does_not_wait_for_blobs_however_many_are_under_way()
    {
        using var client = Client(new RegistryNetwork());
        var bodies = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => client.OpenBlob(Web, Layer, null, null, Stop)));

        var manifest = await client.GetManifest(Web, "1", null, Stop);

        Assert.Equal(image.Digest, manifest.Digest);
        await Close(bodies);
    }

    [Fact]
    public async Task Our_own_registry_that_accepts_no_connection_is_waited_for_once_and_not_by_every_blob_of_a_pull()
    {
        var (attempts, isThere) = (0, false);
        using var client = Client(RegistryNetwork.Own with
        {
            Connect = async (to, stop) =>
            {
                attempts++;
                return isThere ? await RegistryNetwork.ConnectByTcp(to, stop) : await Never(stop);
            },
        });
        var first = client.GetManifest(Web, "1", null, Stop);
        await Eventually.True(() => attempts == 1, "it is tried");
        time.Advance(RegistryNetwork.Own.ConnectLimit);
        await Assert.ThrowsAsync<RegistryException>(() => first);

        var next = await Assert.ThrowsAsync<RegistryException>(() => client.OpenBlob(Web, Layer, null, null, Stop));

        Assert.Contains("accepted no connection a moment ago", next.Message, StringComparison.Ordinal);
        Assert.Equal(1, attempts);
        isThere = true;
        time.Advance(RegistryNetwork.Own.SilencePause);
        Assert.Equal(image.Digest, (await client.GetManifest(Web, "1", null, Stop)).Digest);
    }

    private static async Task<Stream> Never(CancellationToken ct)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, ct);
        throw new UnreachableException();
    }

    [Fact]
    public async Task A_request_that_waits_for_a_connection_is_not_told_that_the_registry_does_not_answer()
    {
        using var client = Client(new RegistryNetwork { MaxTransfers = 2 });
        var bodies = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => client.OpenBlob(Web, Layer, null, null, Stop)));

        var third = client.OpenBlob(Web, Layer, null, null, Stop);
        time.Advance(TimeSpan.FromMinutes(10));

        Assert.False(third.IsCompleted);
        Assert.Equal(2, origin.Ledger.Count);
        await bodies[0].DisposeAsync();
        await (await third).DisposeAsync();
        await bodies[1].DisposeAsync();
    }

    [Fact]
    public async Task A_caller_that_leaves_gives_its_place_in_the_queue_to_the_next_one()
    {
        using var client = Client(new RegistryNetwork { MaxTransfers = 1 });
        var body = await client.OpenBlob(Web, Layer, null, null, Stop);
        using var left = new CancellationTokenSource();

        var second = client.OpenBlob(Web, Layer, null, null, left.Token);
        var third = client.OpenBlob(Web, Layer, null, null, Stop);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        await body.DisposeAsync();

        await (await third).DisposeAsync();
        Assert.Equal(2, origin.Ledger.Count);
    }

    [Fact]
    public async Task A_request_that_fails_gives_its_connection_back()
    {
        using var client = Client(new RegistryNetwork { MaxTransfers = 1, MaxQuestions = 1 });
        origin.Script = _ => Misbehave.Answer(500);

        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<RegistryException>(() => client.OpenBlob(Web, Layer, null, null, Stop));
            await Assert.ThrowsAsync<RegistryException>(() => client.GetManifest(Web, "1", null, Stop));
            await Assert.ThrowsAsync<RegistryException>(() => client.ResolveManifest(Web, "1", null, Stop));
            await Assert.ThrowsAsync<RegistryException>(() => client.GetReferrers(Web, image.Digest, null, Stop));
        }
    }

    [Fact]
    public async Task A_request_for_a_token_does_not_wait_for_the_request_that_needs_it()
    {
        using var client = Client(new RegistryNetwork { MaxTransfers = 1, MaxQuestions = 1 });
        origin.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Misbehave.Say(200, """{"token":"t"}""")
            : request.Authorization is not null ? null
            : Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{origin.Host}/token\""));

        var manifests = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => client.GetManifest(Web, "1", null, Stop)));

        Assert.All(manifests, manifest => Assert.Equal(image.Digest, manifest.Digest));
    }

    [Fact]
    public async Task What_is_asked_about_a_blob_when_HEAD_says_nothing_does_not_wait_for_blobs()
    {
        using var client = Client(new RegistryNetwork { MaxTransfers = 1 });
        await using var body = await client.OpenBlob(Web, Layer, null, null, Stop);
        origin.Script = request => request.Method == "HEAD" ? Misbehave.Answer(405) : null;

        Assert.Equal(image.Layers[0].Bytes.Length, await client.HeadBlob(Web, Layer, null, Stop));
    }

    [Fact]
    public async Task Many_uploads_to_the_cache_and_manifests_stored_at_a_time_all_end()
    {
        var uploads = 0;
        origin.Script = request => request.Method switch
        {
            "POST" => Misbehave.Answer(202, ("Location", $"/upload/{Interlocked.Increment(ref uploads)}")),
            "PUT" => Misbehave.Answer(201),
            _ => null,
        };
        var settings = new CopyEngineOptions { CacheEndpoint = new Uri($"http://{origin.Host}"), Platforms = [], SpoolPath = "" };
        using var cache = new CacheRegistry(settings, TimeProvider.System);
        var bytes = "x"u8.ToArray();

        await Task.WhenAll(Enumerable.Range(0, 300).Select(i => cache.UploadSmall("team/web", Digest.Sha256(bytes), bytes, Stop))
            .Concat(Enumerable.Range(0, 100).Select(_ => cache.PutManifest("team/web", "1", image.Bytes, image.MediaType, Stop))));

        Assert.Equal(300, uploads);
    }

    [Fact]
    public async Task How_long_requests_waited_is_measured_by_what_they_are_for()
    {
        var measured = new List<(double Seconds, object? Use)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument is { Name: "kuik_registry_connection_wait_seconds", Meter.Name: "Kuik.Oci" })
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) =>
        {
            lock (measured)
                measured.Add((seconds, tags[0].Value));
        });
        listener.Start();
        using var client = Client(new RegistryNetwork { MaxTransfers = 1 });

        var body = await client.OpenBlob(Web, Layer, null, null, Stop);
        var second = client.OpenBlob(Web, Layer, null, null, Stop);
        await client.GetManifest(Web, "1", null, Stop);
        await body.DisposeAsync();
        await (await second).DisposeAsync();

        lock (measured)
        {
            Assert.Contains((0, "question"), measured);
            Assert.Contains(measured, wait => wait is { Seconds: > 0, Use: "body" });
        }
    }

    [Fact]
    public async Task A_connection_whose_other_end_is_gone_is_noticed_by_TCP()
    {
        await using var stream = (NetworkStream)await RegistryNetwork.ConnectByTcp(IPEndPoint.Parse(origin.Host), Stop);

        Assert.Equal(1, stream.Socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        Assert.Equal(30, stream.Socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
    }

    private RegistryClient Client(RegistryNetwork network) => new(new RegistryEndpoints([$"http://{origin.Host}"]), [], time, network);

    private async Task Close(BlobBody[] bodies)
    {
        gate.SetResult();
        foreach (var body in bodies)
            await body.DisposeAsync();
    }
}
