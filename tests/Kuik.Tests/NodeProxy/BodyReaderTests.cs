using Kuik.NodeProxy;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class BodyReaderTests
{
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_body_that_trickles_is_given_up()
    {
        using var read = new BodyReader(TimeSpan.FromMinutes(1), _time, Stop, minRate: 1024);
        await using var body = new SlowStream(_time, TimeSpan.FromSeconds(5), bytesAtOnce: 1);

        var broken = await Assert.ThrowsAsync<IOException>(async () => await read.Fill(body, new byte[100]));

        Assert.Equal("it came at less than 1024 bytes a second", broken.Message);
        Assert.Equal(6, body.Reads);
    }

    [Fact]
    public async Task A_body_at_just_the_rate_is_read_to_its_end()
    {
        using var read = new BodyReader(TimeSpan.FromMinutes(1), _time, Stop, minRate: 1024);
        await using var body = new SlowStream(_time, TimeSpan.FromSeconds(5), bytesAtOnce: 5 * 1024);

        Assert.Equal(100 * 1024, await read.Fill(body, new byte[100 * 1024]));
    }

    [Fact]
    public async Task A_slow_client_does_not_count_against_the_source()
    {
        using var read = new BodyReader(TimeSpan.FromMinutes(1), _time, Stop, minRate: 1024);
        await using var body = new SlowStream(_time, TimeSpan.Zero, bytesAtOnce: 1);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(1, await read.Next(body, new byte[1]));
            _time.Advance(TimeSpan.FromMinutes(1));   // the client takes its time
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(25)]
    [InlineData(16 << 10)]
    [InlineData((16 << 10) + 1)]
    [InlineData(1_000_000)]
    public async Task A_body_of_unknown_length_is_read_whole(int size)
    {
        var bytes = new byte[size];
        Random.Shared.NextBytes(bytes);
        using var read = new BodyReader(TimeSpan.FromMinutes(1), _time, Stop);

        Assert.Equal(bytes, await read.Whole(Chunked(bytes), 1_000_000));
    }

    [Fact]
    public async Task A_body_of_unknown_length_that_is_too_long_is_none()
    {
        using var read = new BodyReader(TimeSpan.FromMinutes(1), _time, Stop);

        Assert.Null(await read.Whole(Chunked(new byte[100_001]), 100_000));
    }

    [Fact]
    public async Task A_small_body_of_unknown_length_takes_little_memory()
    {
        using var read = new BodyReader(TimeSpan.FromMinutes(1), _time, Stop);
        using var answer = Chunked(new byte[25]);
        var before = GC.GetAllocatedBytesForCurrentThread();

        await read.Whole(answer, 8 << 20);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private static HttpResponseMessage Chunked(byte[] bytes) => new() { Content = new StreamContent(new UnseekableStream(bytes)) };

    private sealed class UnseekableStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    /// <summary>Takes its time for each read, on the test's clock.</summary>
    private sealed class SlowStream(FakeTimeProvider time, TimeSpan each, int bytesAtOnce) : MemoryStream
    {
        public int Reads { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Reads++;
            time.Advance(each);
            return ValueTask.FromResult(Math.Min(bytesAtOnce, buffer.Length));
        }
    }
}
