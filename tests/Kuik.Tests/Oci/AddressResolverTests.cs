using System.Net;
using System.Net.Sockets;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Names whose name server does not answer.</summary>
public sealed class AddressResolverTests : IDisposable
{
    private static readonly IPAddress[] Found = [IPAddress.Parse("192.0.2.7")];

    private readonly FakeTimeProvider time = new();
    private readonly ManualResetEventSlim answered = new();
    private readonly AddressResolver resolver;
    private int lookups;

    public AddressResolverTests() => resolver = new AddressResolver(LookUp, time);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => answered.Set();

    [Fact]
    public async Task Lookups_that_hang_leave_the_thread_pool_and_other_names_alone()
    {
        var hanging = Enumerable.Range(0, AddressResolver.MaxLookups - 1).Select(i => resolver.Find($"hang{i}.example", Stop)).ToList();
        await Eventually.True(() => Volatile.Read(ref lookups) == hanging.Count, "all of them hang");

        Assert.Equal(Found, await resolver.Find("good.example", Stop));
        answered.Set();
        await Task.WhenAll(hanging);
    }

    [Fact]
    public async Task Callers_of_one_name_share_one_lookup_and_one_that_gives_up_does_not_end_it()
    {
        using var left = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var (first, second) = (resolver.Find("hang.example", left.Token), resolver.Find("HANG.example", Stop));
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        answered.Set();

        Assert.Equal(Found, await second);
        Assert.Equal(1, lookups);
    }

    [Fact]
    public async Task A_name_that_is_not_resolved_in_time_is_an_error_that_names_it_and_its_late_answer_serves_the_next_caller()
    {
        var late = resolver.Find("hang.example", Stop);
        await Eventually.True(() => Volatile.Read(ref lookups) == 1, "it is looked up");
        time.Advance(AddressResolver.Limit);

        var error = await Assert.ThrowsAsync<AddressLookupException>(() => late);
        answered.Set();

        Assert.Contains("hang.example was not resolved within 8 s", error.Message, StringComparison.Ordinal);
        Assert.Equal(Found, await resolver.Find("hang.example", Stop));
        Assert.Equal(1, lookups);
    }

    [Fact]
    public async Task More_names_than_lookups_at_a_time_wait_for_their_turn()
    {
        var all = Enumerable.Range(0, 3 * AddressResolver.MaxLookups).Select(i => resolver.Find($"hang{i}.example", Stop)).ToList();
        await Eventually.True(() => Volatile.Read(ref lookups) == AddressResolver.MaxLookups, "as many as may are looked up");
        answered.Set();

        await Task.WhenAll(all);

        Assert.Equal(all.Count, lookups);
    }

    [Fact]
    public async Task An_answer_is_used_again_for_a_moment_and_a_failure_is_not()
    {
        await resolver.Find("good.example", Stop);
        await resolver.Find("good.example", Stop);
        Assert.Equal(1, lookups);
        time.Advance(AddressResolver.Freshness);
        await resolver.Find("good.example", Stop);
        Assert.Equal(2, lookups);

        await Assert.ThrowsAsync<SocketException>(() => resolver.Find("absent.example", Stop));
        await Assert.ThrowsAsync<SocketException>(() => resolver.Find("absent.example", Stop));
        Assert.Equal(4, lookups);
    }

    [Fact]
    public async Task A_literal_address_is_not_looked_up()
    {
        Assert.Equal([IPAddress.IPv6Loopback], await resolver.Find("::1", Stop));
        Assert.Equal(0, lookups);
    }

    private IPAddress[] LookUp(string name)
    {
        Interlocked.Increment(ref lookups);
        if (name.StartsWith("hang", StringComparison.OrdinalIgnoreCase))
            answered.Wait();
        return name.StartsWith("absent", StringComparison.Ordinal) ? throw new SocketException((int)SocketError.HostNotFound) : Found;
    }
}
