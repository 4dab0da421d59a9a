using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>A blob that several repositories want is fetched from any of them.</summary>
public sealed class SeveralSourcesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("kuik-spool-test").FullName;
    private readonly FakeTimeProvider time = new();
    private readonly byte[] blob = RandomNumberGenerator.GetBytes(500_000);
    private readonly Spool spool;

    public SeveralSourcesTests() =>
        spool = new Spool(folder, 10 << 20, largestBlob: 1 << 30, new EngineMetrics(new TestMeters(), time), new WorkWatchdog(time), time,
            Stop);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string Wanted => Digest.Sha256(blob);

    public void Dispose()
    {
        spool.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_refusal_of_one_origin_does_not_fail_a_reader_that_has_another()
    {
        var gate = new TaskCompletionSource();
        using var first = spool.Join(Source("first.test/a", async _ =>
        {
            await gate.Task;
            throw Refusal("first.test");
        }));
        using var second = spool.Join(Source("second.test/b", from => Task.FromResult(Whole(blob, from))));

        gate.SetResult();

        Assert.Equal(blob, await Read(second));
        Assert.Equal(blob, await Read(first));
    }

    [Fact]
    public async Task Each_reader_gets_what_its_own_origin_said()
    {
        var gate = new TaskCompletionSource();
        string[] hosts = ["first.test", "second.test"];
        var readers = hosts.Select(host => spool.Join(Source($"{host}/a", async _ =>
        {
            await gate.Task;
            throw Refusal(host);
        }))).ToList();

        gate.SetResult();

        foreach (var (reader, host) in readers.Zip(hosts))
            Assert.Equal($"401 of {host}", (await Assert.ThrowsAsync<CopyException>(() => reader.Begun)).Message);
    }

    [Theory]
    [InlineData("breaks off")]
    [InlineData("stalls")]
    [InlineData("sends wrong bytes at the end")]
    public async Task A_source_that_fails_in_the_middle_is_replaced(string how)
    {
        var gate = new TaskCompletionSource();
        var opened = new List<long>();
        var wrong = blob.ToArray();
        wrong[^1] ^= 1;
        using var first = spool.Join(Source("first.test/a", async from =>
        {
            await gate.Task;
            return how switch
            {
                "breaks off" => Body(blob[..200_000], from,
                    then: () => throw new RegistryException(RegistryErrorKind.Broken, "it broke off")),
                "stalls" => Body(blob[..200_000], from, then: () => Task.Delay(Timeout.InfiniteTimeSpan, Stop)),
                _ => Body(wrong, from, then: () => Task.CompletedTask),
            };
        }));
        using var second = spool.Join(Source("second.test/b", from =>
        {
            opened.Add(from);
            return Task.FromResult(Whole(blob, from));
        }));
        var reading = Read(second);
        var readingByFirst = Read(first);

        gate.SetResult();
        if (how == "stalls")
            await Eventually.True(() => After(TimeSpan.FromSeconds(1), reading), "the second source is tried");

        Assert.Equal(blob, await reading);
        Assert.Equal(blob, await readingByFirst);
        Assert.Equal(how is "breaks off" or "stalls" ? 200_000 : 0, Assert.Single(opened));
    }

    [Fact]
    public async Task A_reader_that_has_got_a_wrong_byte_is_cut_and_the_others_go_on()
    {
        var (wrong, handedOut) = (blob.ToArray(), new TaskCompletionSource());
        wrong[250_000] ^= 1;
        using var far = spool.Join(Source("first.test/a", from => Task.FromResult(Body(wrong, from, then: () => handedOut.Task))));
        using var near = spool.Join(Source("second.test/b", from => Task.FromResult(Whole(blob, from))));
        var start = new byte[200_000];
        for (var at = 0; at < start.Length;)
            at += await near.Read(start.AsMemory(at), at, Stop);
        for (var at = 0; at < 300_000;)
            at += await far.Read(new byte[100_000], at, Stop);

        handedOut.SetResult();

        await Assert.ThrowsAsync<CopyException>(async () =>
        {
            for (var at = 300_000; at < blob.Length;)
                at += await far.Read(new byte[100_000], at, Stop);
        });
        var rest = new byte[blob.Length - start.Length];
        for (var at = 0; at < rest.Length;)
            at += await near.Read(rest.AsMemory(at), start.Length + at, Stop);
        Assert.Equal(blob, start.Concat(rest));
    }

    [Fact]
    public async Task A_source_of_which_it_is_not_known_whether_it_lied_sends_all_of_it_again()
    {
        var wrong = blob.ToArray();
        wrong[10] ^= 1;
        var gate = new TaskCompletionSource();
        var opened = new List<long>();
        using var first = spool.Join(Source("first.test/a", async from =>
        {
            await gate.Task;
            return Body(wrong[..200_000], from, then: () => throw new RegistryException(RegistryErrorKind.Broken, "it broke off"));
        }));
        using var second = spool.Join(Source("second.test/b", from =>
        {
            opened.Add(from);
            return Task.FromResult(Whole(blob, from));
        }));

        gate.SetResult();

        Assert.Equal(blob.LongLength, await second.Begun);
        await Eventually.True(() => opened.Count == 2, "the second source has sent all of it");
        Assert.Equal([200_000, 0], opened);
        Assert.Equal(blob, await Read(second));
    }

    [Fact]
    public async Task A_slow_source_is_left_for_another_one_and_kept_where_there_is_none()
    {
        var trickle = new TaskCompletionSource();
        using var first = spool.Join(Source("first.test/a", from => Task.FromResult(Body(blob[..1000], from, then: () => trickle.Task))));
        await Eventually.True(() => first.Written > 0, "it has begun");
        for (var i = 0; i < 60; i++)
            time.Advance(TimeSpan.FromSeconds(1));

        using var second = spool.Join(Source("second.test/b", from => Task.FromResult(Whole(blob, from))));
        var reading = Read(second);
        await Eventually.True(() => After(TimeSpan.FromSeconds(1), reading), "the second source is tried");

        Assert.Equal(blob, await reading);
    }

    [Fact]
    public async Task A_source_below_the_least_rate_fails_as_unreachable()
    {
        using var reader = spool.Join(
            Source("first.test/a",
                from => Task.FromResult(Body(blob[..1000], from, then: () => Task.Delay(Timeout.InfiniteTimeSpan, Stop)))));
        var reading = Read(reader);

        await Eventually.True(() => After(TimeSpan.FromSeconds(30), reading), "it has failed");

        var failure = await Assert.ThrowsAsync<CopyException>(() => reading);
        Assert.Equal((CopyException.Unreachable, true), (failure.Kind, failure.RetryHelps));
    }

    [Fact]
    public async Task A_replica_that_was_sent_to_the_origin_while_this_one_asked_is_asked_again()
    {
        SpoolReader? asking = null;
        var questions = 0;
        var origin = Source("first.test/a", _ => throw Refusal("first.test")) with
        {
            FindPeer = async _ =>
            {
                await Eventually.True(() => asking is not null, "the blob has a reader");
                return ++questions == 1 && asking!.TryRefusePeer() ? null
                    : Source("http://peer.test/", from => Task.FromResult(Whole(blob, from)));
            },
        };
        using var reader = asking = spool.Join(origin);

        Assert.Equal(blob, await Read(reader));
        Assert.Equal(2, questions);
    }

    [Fact]
    public async Task A_replica_is_not_sent_to_the_origin_by_one_that_is_there()
    {
        var (opened, gate) = (new TaskCompletionSource(), new TaskCompletionSource());
        using var reader = spool.Join(Source("first.test/a", async from =>
        {
            opened.SetResult();
            await gate.Task;
            return Whole(blob, from);
        }) with
        { FindPeer = _ => Task.FromResult<BlobSource?>(null) });
        await opened.Task;

        Assert.False(reader.TryRefusePeer());

        gate.SetResult();
        Assert.Equal(blob, await Read(reader));
    }

    private BlobSource Source(string repository, Func<long, Task<BlobBody>> open) =>
        new(repository, Wanted, blob.Length, async (from, ct) => await open(from).WaitAsync(ct));

    private bool After(TimeSpan step, Task reading)
    {
        time.Advance(step);
        return reading.IsCompleted;
    }

    private static CopyException Refusal(string host) =>
        new(CopyException.Refused, $"401 of {host}", retryHelps: false, status: HttpStatusCode.Unauthorized);

    private BlobBody Whole(byte[] bytes, long from) => Body(bytes, from, then: () => Task.CompletedTask);

    private BlobBody Body(byte[] bytes, long from, Func<Task> then) => new(
        new ThenStream(bytes.AsMemory((int)from), then), blob.Length - from, from == 0
            ? null
            : new ContentRangeHeaderValue(from, blob.Length - 1, blob.Length));

    private static async Task<byte[]> Read(SpoolReader reader)
    {
        using var all = new MemoryStream();
        var buffer = new byte[50_000];
        int got;
        while ((got = await reader.Read(buffer, all.Length, Stop)) > 0)
            all.Write(buffer, 0, got);
        return all.ToArray();
    }

    /// <summary>Some bytes, and then something else.</summary>
    private sealed class ThenStream(ReadOnlyMemory<byte> bytes, Func<Task> then) : MemoryStream(bytes.ToArray())
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var got = await base.ReadAsync(buffer, cancellationToken);
            if (got == 0)
                await then().WaitAsync(cancellationToken);
            return got;
        }
    }
}
