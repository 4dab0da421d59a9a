using System.Security.Cryptography;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>A spool that is short of room, or whose disk is full. Every blob reaches its readers all the same.</summary>
public sealed class SpoolRoomTests : IDisposable
{
    private const long Limit = 2 << 20;

    private readonly string folder = Directory.CreateTempSubdirectory("kuik-spool-test").FullName;
    private readonly FakeTimeProvider time = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task An_endless_blob_of_unknown_length_ends_with_an_error()
    {
        using var spool = NewSpool(largestBlob: 8 << 20);
        using var reader = spool.Join(Endless("evil.test/a"));

        var failure = await Assert.ThrowsAsync<CopyException>(() => Count(reader));

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.Contains("Kuik:Fetch:LargestBlob", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endless_blob_does_not_hold_up_the_others_nor_take_their_room()
    {
        using var spool = NewSpool();
        using var endless = spool.Join(Endless("evil.test/a"));
        await Eventually.True(() => spool.Use.Used >= Limit / 2, "it has taken what it gets");

        var honest = RandomNumberGenerator.GetBytes(3_000_000);
        using var reader = spool.Join(Known("good.test/b", honest));

        Assert.Equal(honest, await Read(reader));
        Assert.InRange(spool.Use.Used, 0, Limit + (2 * SpooledBlob.LeastRoom));
    }

    [Fact]
    public async Task Blobs_of_unknown_length_that_do_not_fit_together_all_arrive()
    {
        using var spool = NewSpool();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async i =>
        {
            var bytes = RandomNumberGenerator.GetBytes(1_300_000);
            using var reader = spool.Join(new BlobSource(
                $"good.test/{i}", Digest.Sha256(bytes), null, (_, _) =>
                    Task.FromResult(new BlobBody(new MemoryStream(bytes), null, null))));
            Assert.Equal(bytes, await Read(reader));
            spool.Stored(Digest.Sha256(bytes));
        }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_blob_larger_than_the_spool_reaches_all_its_readers(bool isLengthKnown)
    {
        using var spool = NewSpool();
        var bytes = RandomNumberGenerator.GetBytes(10_000_000);
        var source = isLengthKnown ? Known("good.test/a", bytes)
            : new BlobSource("good.test/a", Digest.Sha256(bytes), null,
                (_, _) => Task.FromResult(new BlobBody(new MemoryStream(bytes), null, null)));
        var readers = Enumerable.Range(0, 3).Select(_ => spool.Join(source)).ToList();

        var read = await Task.WhenAll(readers.Select((reader, i) => Read(reader, 1000 * (i + 7))));

        Assert.All(read, each => Assert.Equal(bytes, each));
        Assert.InRange(spool.Use.Used, 0, Limit + SpooledBlob.LeastRoom);
        readers.ForEach(reader => reader.Dispose());
        Assert.Null(spool.Find(Digest.Sha256(bytes)));   // its beginning is gone: it cannot be served again
    }

    [Fact]
    public async Task A_reader_that_comes_too_late_for_the_beginning_is_told_so_and_the_end_is_there()
    {
        using var spool = NewSpool();
        var bytes = RandomNumberGenerator.GetBytes(10_000_000);
        using var reader = spool.Join(Known("good.test/a", bytes));
        await reader.Read(new byte[100_000], 0, Stop);
        for (var at = 100_000; at < 9_000_000;)
            at += await reader.Read(new byte[100_000], at, Stop);

        using var late = spool.Find(Digest.Sha256(bytes))!;

        Assert.InRange(late.Start, 1, 9_000_000);
        Assert.Equal(CopyException.Cache,
            (await Assert.ThrowsAsync<CopyException>(async () => await late.Read(new byte[10], 0, Stop))).Kind);
        Assert.True(await late.Read(new byte[10], 8_999_000, Stop) > 0);
    }

    [Fact]
    public async Task A_reader_that_stands_still_is_cut_when_others_wait_for_its_room()
    {
        using var spool = NewSpool();
        var bytes = RandomNumberGenerator.GetBytes(10_000_000);
        using var stuck = spool.Join(Known("good.test/a", bytes));
        using var other = spool.Join(Known("good.test/a", bytes));
        var reading = Read(other);

        await Eventually.True(() =>
        {
            time.Advance(TimeSpan.FromSeconds(10));
            return reading.IsCompleted;
        }, "the other one has all");

        Assert.Equal(bytes, await reading);
        await Assert.ThrowsAsync<CopyException>(async () => await stuck.Read(new byte[10], 0, Stop));
    }

    [Fact]
    public async Task A_large_blob_that_no_reader_wants_any_more_ends()
    {
        using var spool = NewSpool();
        var reader = spool.Join(Known("good.test/a", RandomNumberGenerator.GetBytes(10_000_000)));
        await reader.Begun;

        reader.Dispose();

        await Eventually.True(() => spool.Use is { Blobs: 0, Used: 0 }, "its room is free");
    }

    [Fact]
    public async Task A_full_disk_takes_room_from_idle_blobs_and_then_goes_on_in_what_it_has()
    {
        await using var disk = await SmallDisk.Mount(folder, megabytes: 1);
        using var spool = new Spool(
            Path.Combine(disk.Folder, "spool"), 20L << 30, 1L << 40, new EngineMetrics(new TestMeters(), time), new WorkWatchdog(time),
            time, Stop);

        for (var i = 0; i < 4; i++)   // complete, and not stored in the cache: each stays
        {
            var bytes = RandomNumberGenerator.GetBytes(400_000);
            using var reader = spool.Join(Known($"good.test/{i}", bytes));
            Assert.Equal(bytes, await Read(reader));
        }
        var large = RandomNumberGenerator.GetBytes(5_000_000);   // larger than the disk
        using var last = spool.Join(Known("good.test/large", large));

        Assert.Equal(large, await Read(last));
    }

    private Spool NewSpool(long largestBlob = 1L << 40) =>
        new(folder, Limit, largestBlob, new EngineMetrics(new TestMeters(), time), new WorkWatchdog(time), time, Stop);

    private static BlobSource Known(string repository, byte[] bytes) => new(
        repository, Digest.Sha256(bytes), bytes.Length, (_, _) =>
            Task.FromResult(new BlobBody(new MemoryStream(bytes), bytes.Length, null)));

    private static BlobSource Endless(string repository) => new(
        repository, "sha256:" + new string('a', 64), null, (_, _) => Task.FromResult(new BlobBody(new EndlessStream(), null, null)));

    private static async Task<long> Count(SpoolReader reader)
    {
        var buffer = new byte[100_000];
        var all = 0L;
        for (int got; (got = await reader.Read(buffer, all, Stop)) > 0;)
            all += got;
        return all;
    }

    private static async Task<byte[]> Read(SpoolReader reader, int chunk = 50_000)
    {
        using var all = new MemoryStream();
        var buffer = new byte[chunk];
        int got;
        while ((got = await reader.Read(buffer, all.Length, Stop)) > 0)
            all.Write(buffer, 0, got);
        return all.ToArray();
    }

    private sealed class EndlessStream : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            buffer.Span.Clear();
            return buffer.Length;
        }
    }
}
