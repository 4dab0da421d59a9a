using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Hosts with several addresses, some of which are silent or refuse.</summary>
public sealed class HappyEyeballsTests
{
    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly ConcurrentQueue<string> tried = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<Stream>> attempts = new();
    private readonly List<CancellationToken> tokens = [];
    private bool isObedient = true;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_registry_whose_first_address_is_silent_is_reached_by_its_second()
    {
        await using var origin = await ScriptedOrigin.Start();
        var image = TestImage.Small(seed: 1);
        origin.Add("team/web", "1", image);
        var host = $"registry.test:{origin.Host.Split(':')[1]}";
        var network = new RegistryNetwork
        {
            FindAddresses = (_, _) => Task.FromResult(new[] { IPAddress.Parse("2001:db8::1"), IPAddress.Loopback }),
            Connect = async (to, ct) =>
            {
                if (!IPAddress.IsLoopback(to.Address))
                    await Task.Delay(Timeout.Infinite, ct);
                return await RegistryNetwork.ConnectByTcp(to, ct);
            },
        };
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{host}"]), [], TimeProvider.System, network);

        var manifest = await client.GetManifest(new RegistryRepository(host, "team/web"), "1", null, Stop);

        Assert.Equal(image.Digest, manifest.Digest);
    }

    [Fact]
    public async Task The_next_address_is_tried_after_a_quarter_of_a_second_and_the_first_one_is_not_given_up()
    {
        var connecting = Connect("2001:db8::1", "192.0.2.1");

        await Tried("2001:db8::1");
        time.Advance(HappyEyeballs.AttemptDelay);
        await Tried("2001:db8::1", "192.0.2.1");
        attempts["2001:db8::1"].SetResult(new MemoryStream());

        Assert.Equal("2001:db8::1", (await connecting).Address.ToString());
        Assert.True(tokens[1].IsCancellationRequested, "the other attempt has been ended");
    }

    [Fact]
    public async Task After_a_failure_the_next_address_is_tried_at_once()
    {
        var connecting = Connect("192.0.2.1", "192.0.2.2");

        await Tried("192.0.2.1");
        attempts["192.0.2.1"].SetException(new SocketException((int)SocketError.ConnectionRefused));
        await Tried("192.0.2.1", "192.0.2.2");
        attempts["192.0.2.2"].SetResult(new MemoryStream());

        Assert.Equal("192.0.2.2", (await connecting).Address.ToString());
    }

    [Fact]
    public async Task A_connection_that_comes_too_late_is_closed()
    {
        isObedient = false;
        var connecting = Connect("192.0.2.1", "192.0.2.2");
        await Tried("192.0.2.1");
        time.Advance(HappyEyeballs.AttemptDelay);
        await Tried("192.0.2.1", "192.0.2.2");
        attempts["192.0.2.2"].SetResult(new MemoryStream());
        await connecting;

        var late = new MemoryStream();
        attempts["192.0.2.1"].SetResult(late);

        await Eventually.True(() => !late.CanRead, "the connection has been closed");
    }

    [Fact]
    public async Task When_none_answers_the_error_names_the_addresses()
    {
        var connecting = Connect("192.0.2.1", "2001:db8::1", "192.0.2.2");

        await Eventually.True(
            () =>
            {
                time.Advance(HappyEyeballs.AttemptDelay);
                return connecting.IsCompleted;
            },
            "it has been given up");

        var error = await Assert.ThrowsAsync<SocketException>(() => connecting);
        Assert.Contains("within 8 s", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("(tried 192.0.2.1, 2001:db8::1, 192.0.2.2)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Our_own_registry_may_take_two_seconds_to_accept_a_connection()
    {
        var network = RegistryNetwork.Own with
        {
            Connect = async (_, ct) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, ct);
                throw new InvalidOperationException("the attempt has not been ended");
            },
        };
        using var client = new RegistryClient(RegistryEndpoints.At(new Uri("http://192.0.2.1:5000")), [], time, network);

        var asking = client.GetManifest(new RegistryRepository("192.0.2.1:5000", "team/web"), "1", null, Stop);
        await Eventually.True(
            () =>
            {
                time.Advance(HappyEyeballs.AttemptDelay);
                return asking.IsCompleted;
            },
            "it has been given up");

        var error = await Assert.ThrowsAnyAsync<Exception>(() => asking);
        Assert.Contains("no connection to 192.0.2.1 within 2 s", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_caller_that_leaves_ends_all_attempts()
    {
        using var left = new CancellationTokenSource();
        var connecting = Connect(left.Token, "192.0.2.1", "192.0.2.2");
        await Tried("192.0.2.1");
        time.Advance(HappyEyeballs.AttemptDelay);
        await Tried("192.0.2.1", "192.0.2.2");

        await left.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        Assert.All(tokens, token => Assert.True(token.IsCancellationRequested));
    }

    [Theory]
    [InlineData("192.0.2.1 192.0.2.2 192.0.2.3", "192.0.2.1 192.0.2.2 192.0.2.3")]
    [InlineData("2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2 192.0.2.3", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 192.0.2.3")]
    [InlineData("192.0.2.1 192.0.2.2 2001:db8::1", "192.0.2.1 2001:db8::1 192.0.2.2")]
    public void Families_come_by_turns_and_the_resolvers_first_stays_first(string addresses, string order) =>
        Assert.Equal(order, string.Join(' ', HappyEyeballs.Interleave([.. addresses.Split(' ').Select(IPAddress.Parse)])));

    private Task<(Stream Stream, IPAddress Address)> Connect(params string[] addresses) => Connect(Stop, addresses);

    private Task<(Stream Stream, IPAddress Address)> Connect(CancellationToken ct, params string[] addresses) => HappyEyeballs.Connect(
        [.. addresses.Select(IPAddress.Parse)],
        (address, ended) =>
        {
            lock (tokens)
                tokens.Add(ended);
            var attempt = attempts.GetOrAdd(address.ToString(), _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
            if (isObedient)
                ended.Register(() => attempt.TrySetCanceled(ended));
            tried.Enqueue(address.ToString());
            return attempt.Task;
        },
        HappyEyeballs.AttemptLimit, time, ct);

    private Task Tried(params string[] addresses) =>
        Eventually.True(() => tried.SequenceEqual(addresses), $"tried {string.Join(", ", addresses)}");
}
