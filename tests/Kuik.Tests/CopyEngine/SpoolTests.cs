using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Threading.Channels;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>The spool on a real folder. Origins are streams in memory, which give each piece when the test says so.</summary>
public sealed class SpoolTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("kuik-spool-test").FullName;
    private readonly FakeTimeProvider time = new();
    private readonly byte[] blob = RandomNumberGenerator.GetBytes(50_000);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Readers_at_their_own_pace_and_from_any_place_get_the_same_bytes_of_one_download()
    {
        using var spool = NewSpool(1 << 20);
        var origin = new Pieces();
        var readers = Enumerable.Range(0, 8).Select(_ => spool.Join(origin.As(blob))).ToList();

        var reads = readers.Select((reader, i) => Read(reader, from: i * 5000, chunk: 100 + i * 999)).ToList();
        for (var at = 0; at < blob.Length; at += 10_000)
            origin.Give(blob.AsSpan(at, 10_000));
        origin.End();

        foreach (var (read, i) in reads.Select((read, i) => (read, i)))
            Assert.Equal(blob[(i * 5000)..], await read);
        Assert.Equal(1, origin.Opened);
    }

    [Fact]
    public async Task An_unforeseen_exception_of_a_download_ends_its_readers_and_is_not_quoted()
    {
        using var spool = NewSpool(1 << 20);
        var fault = new FormatException("The format of value 'hunter2' is invalid.");
        using var reader = spool.Join(new BlobSource("origin.test/team/web", Digest.Sha256(blob), blob.Length, (_, _) => throw fault));

        var failure = await Assert.ThrowsAsync<CopyException>(() => reader.Begun.WaitAsync(TimeSpan.FromMinutes(1), Stop));

        Assert.Equal((CopyException.Internal, true), (failure.Kind, failure.RetryHelps));
        Assert.Equal("image-fetcher failed unexpectedly (FormatException); its log has the stack", failure.Message);
        Assert.IsType<FormatException>(failure.InnerException);
    }

    [Fact]
    public async Task The_last_bytes_are_held_back_until_all_are_verified()
    {
        using var spool = NewSpool(1 << 20);
        var origin = new Pieces();
        using var reader = spool.Join(origin.As(blob));
        origin.Give(blob);
        var first = new byte[blob.Length - SpooledBlob.HeldBack];
        await ReadExactly(reader, first);

        var last = reader.Read(new byte[100], first.Length, Stop).AsTask();
        Assert.False(last.IsCompleted);
        origin.End();

        Assert.Equal(blob[..first.Length], first);
        Assert.Equal(100, await last);
    }

    [Fact]
    public async Task A_wrong_blob_fails_for_every_reader_and_is_got_anew_by_the_next()
    {
        using var spool = NewSpool(1 << 20);
        var (wrong, right) = (new Pieces(), new Pieces());
        var readers = Enumerable.Range(0, 3).Select(_ => spool.Join(wrong.As(blob))).ToList();
        var changed = blob.ToArray();
        changed[0] ^= 1;
        wrong.Give(changed);
        wrong.End();

        foreach (var reader in readers)
        {
            var failure = await Assert.ThrowsAsync<CopyException>(() => Read(reader, 0, 10_000));
            Assert.Equal(CopyException.Broken, failure.Kind);
        }
        using var next = spool.Join(right.As(blob));
        right.Give(blob);
        right.End();
        Assert.Equal(blob, await Read(next, 0, 10_000));
    }

    [Fact]
    public async Task A_blob_leaves_with_its_last_reader_when_the_cache_has_it_and_stays_when_it_has_not()
    {
        using var spool = NewSpool(1 << 20);
        var origin = new Pieces();
        origin.Give(blob);
        origin.End();
        await Read(spool.Join(origin.As(blob)), 0, 10_000);

        using (var again = spool.Find(origin.As(blob).Digest))
            Assert.NotNull(again);
        spool.Stored(origin.As(blob).Digest);

        await Eventually.True(() => spool.Use.Blobs == 0, "the download has let it go too");
    }

    [Fact]
    public async Task An_idle_blob_makes_room_and_one_that_is_read_does_not()
    {
        using var spool = NewSpool(400_000);
        var blobs = Enumerable.Range(0, 3).Select(_ => RandomNumberGenerator.GetBytes(150_000)).ToList();
        var origins = blobs.Select(_ => new Pieces()).ToList();
        foreach (var (origin, bytes) in origins.Zip(blobs))
        {
            origin.Give(bytes);
            origin.End();
        }
        await Read(spool.Join(origins[0].As(blobs[0])), 0, 10_000);
        using var second = spool.Join(origins[1].As(blobs[1]));
        await second.Begun;

        using var third = spool.Join(origins[2].As(blobs[2]));
        await third.Begun;

        Assert.Null(spool.Find(Digest.Sha256(blobs[0])));
        Assert.Equal(blobs[1], await Read(second, 0, 10_000));
    }

    [Fact]
    public async Task The_folder_of_a_dead_process_is_deleted_and_that_of_a_live_one_is_kept()
    {
        using var living = NewSpool(1 << 20);
        var dead = Directory.CreateDirectory(Path.Combine(folder, "1-dead"));
        await File.WriteAllTextAsync(Path.Combine(dead.FullName, "lock"), "", Stop);

        using var next = NewSpool(1 << 20);

        Assert.Equal(2, Directory.GetDirectories(folder).Length);
        Assert.False(Directory.Exists(dead.FullName));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private Spool NewSpool(long limit) =>
        new(folder, limit, largestBlob: 1 << 30, new EngineMetrics(new TestMeters(), time), new WorkWatchdog(time), time, Stop);

    private static async Task<byte[]> Read(SpoolReader reader, int from, int chunk)
    {
        using (reader)
        {
            using var all = new MemoryStream();
            var buffer = new byte[chunk];
            int got;
            while ((got = await reader.Read(buffer, from + all.Length, Stop)) > 0)
                all.Write(buffer, 0, got);
            return all.ToArray();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_origin_that_wants_a_pause_in_the_middle_gets_it_and_what_has_arrived_is_kept(bool saysHowLong)
    {
        using var spool = NewSpool(1 << 20);
        var (opened, waits) = (new List<long>(), new TaskCompletionSource());
        using var reader = spool.Join(new BlobSource("origin.test/team/web", Digest.Sha256(blob), blob.Length, (from, _) =>
        {
            opened.Add(from);
            if (opened.Count == 2)
            {
                waits.SetResult();
                throw new CopyException(CopyException.RateLimited, "429", retryHelps: true, saysHowLong ? TimeSpan.FromMinutes(5) : null);
            }
            return Task.FromResult(Part(from, opened.Count == 1 ? 20_000 : blob.Length));
        }));

        var read = Read(reader, from: 0, chunk: 10_000);
        await waits.Task;
        await Eventually.True(() => AfterAMinute(read), "the pause is over");   // it begins a moment after the refusal

        Assert.Equal(blob, await read);
        Assert.Equal([0, 20_000, 20_000], opened);
    }

    [Theory]
    [InlineData(CopyException.RateLimited, true, 3600)]
    [InlineData(CopyException.Gone, false, null)]
    public async Task One_that_wants_too_long_a_pause_or_has_no_more_ends_it(string kind, bool retryHelps, int? retryAfter)
    {
        using var spool = NewSpool(1 << 20);
        using var reader = spool.Join(new BlobSource("origin.test/team/web", Digest.Sha256(blob), blob.Length, (from, _) => from == 0
            ? Task.FromResult(Part(from, 20_000))
            : throw new CopyException(kind, "no", retryHelps, retryAfter is { } seconds ? TimeSpan.FromSeconds(seconds) : null)));

        var failure = await Assert.ThrowsAsync<CopyException>(() => Read(reader, from: 0, chunk: 10_000));

        Assert.Equal(kind, failure.Kind);
    }

    [Theory]
    [InlineData("answers the whole to a part")]
    [InlineData("knows no parts (416)")]
    public async Task An_origin_that_cannot_send_a_part_sends_the_whole_again(string how)
    {
        using var spool = NewSpool(1 << 20);
        var opened = new List<long>();
        using var reader = spool.Join(new BlobSource("origin.test/team/web", Digest.Sha256(blob), blob.Length, (from, _) =>
        {
            opened.Add(from);
            if (from > 0 && how.Contains("416", StringComparison.Ordinal))
                throw new CopyException(CopyException.Broken, "416", retryHelps: false,
                    status: HttpStatusCode.RequestedRangeNotSatisfiable);
            return Task.FromResult(Part(0, opened.Count == 1 ? 20_000 : blob.Length));
        }));

        Assert.Equal(blob, await Read(reader, from: 0, chunk: 10_000));
    }

    [Theory]
    [InlineData(2 << 20, true)]
    [InlineData(1000, false)]
    public async Task A_line_that_breaks_again_and_again_brings_the_whole_as_long_as_much_comes_in_between(int between, bool isWhole)
    {
        var large = RandomNumberGenerator.GetBytes(6 * between + 1000);
        using var spool = NewSpool(100 << 20);
        using var reader = spool.Join(
            new BlobSource("origin.test/team/web", Digest.Sha256(large), large.Length,
                (from, _) => Task.FromResult(Part(large, from, (int)Math.Min(from + between, large.Length)))));

        var read = Read(reader, from: 0, chunk: 100_000);

        if (isWhole)
            Assert.Equal(large, await read);
        else
            Assert.Contains("broke off 5 times", (await Assert.ThrowsAsync<CopyException>(() => read)).Message, StringComparison.Ordinal);
    }

    private bool AfterAMinute(Task read)
    {
        time.Advance(TimeSpan.FromMinutes(1));
        return read.IsCompleted;
    }

    /// <summary>An answer from an offset on that breaks off at another one, if that is not the end.</summary>
    private BlobBody Part(long from, int breaksOffAt) => Part(blob, from, breaksOffAt);

    private static BlobBody Part(byte[] blob, long from, int breaksOffAt) => new(
        new BrokenOff(blob.AsMemory((int)from, breaksOffAt - (int)from), isWhole: breaksOffAt == blob.Length), blob.Length - from,
        from == 0 ? null : new ContentRangeHeaderValue(from, blob.Length - 1, blob.Length));

    private static async Task ReadExactly(SpoolReader reader, byte[] into)
    {
        for (var at = 0; at < into.Length;)
            at += await reader.Read(into.AsMemory(at), at, Stop);
    }

    /// <summary>An origin whose pieces a test gives one by one.</summary>
    private sealed class Pieces
    {
        private readonly Channel<byte[]> pieces = Channel.CreateUnbounded<byte[]>();

        public int Opened { get; private set; }

        public void Give(ReadOnlySpan<byte> piece) => pieces.Writer.TryWrite(piece.ToArray());

        public void End() => pieces.Writer.Complete();

        public BlobSource As(byte[] blob) => new("origin.test/team/web", Digest.Sha256(blob), blob.Length, (_, _) =>
        {
            Opened++;
            return Task.FromResult(new BlobBody(new Body(pieces.Reader), blob.Length, null));
        });

        private sealed class Body(ChannelReader<byte[]> pieces) : Stream
        {
            private ReadOnlyMemory<byte> rest;

            public override bool CanRead => true;
            public override bool CanSeek => false;
            public override bool CanWrite => false;
            public override long Length => throw new NotSupportedException();
            public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

            public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            {
                if (rest.IsEmpty && await pieces.WaitToReadAsync(cancellationToken))
                    rest = await pieces.ReadAsync(cancellationToken);
                var got = Math.Min(buffer.Length, rest.Length);
                rest[..got].CopyTo(buffer);
                rest = rest[got..];
                return got;
            }

            public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
            public override void Flush() => throw new NotSupportedException();
            public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
            public override void SetLength(long value) => throw new NotSupportedException();
            public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        }
    }

    private sealed class BrokenOff(ReadOnlyMemory<byte> bytes, bool isWhole) : MemoryStream(bytes.ToArray())
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var got = await base.ReadAsync(buffer, cancellationToken);
            return got > 0 || isWhole ? got : throw new RegistryException(RegistryErrorKind.Broken, "it broke off");
        }
    }
}
