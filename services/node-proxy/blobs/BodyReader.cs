namespace Kuik.NodeProxy;

/// <summary>
/// Reads bodies of sources without a limit on their total time, but with limits on stalls and, if a rate is given, on their speed.
/// </summary>
internal sealed class BodyReader : IDisposable
{
    /// <summary>Over so much time spent waiting the rate is averaged.</summary>
    private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(30);

    /// <summary>For a body of unknown length, in bytes; most manifests fit.</summary>
    private const int FirstBuffer = 16 << 10;

    private readonly TimeSpan _limit;
    private readonly TimeProvider _time;
    private readonly long _minRate;
    private readonly CancellationToken _stop;
    private readonly CancellationTokenSource _quiet;
    private readonly CancellationTokenSource _either;
    private TimeSpan _waited;
    private long _came;

    /// <param name="limit">How long nothing may come.</param>
    /// <param name="time">The clock.</param>
    /// <param name="stop">The client is gone.</param>
    /// <param name="minRate">Bytes a second, averaged over 30 seconds of waiting for the body; 0: any rate will do.</param>
    public BodyReader(TimeSpan limit, TimeProvider time, CancellationToken stop, long minRate = 0)
    {
        (_limit, _time, _stop, _minRate) = (limit, time, stop, minRate);
        _quiet = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(stop, _quiet.Token);
    }

    /// <summary>Reads the bytes that have arrived, at least one; 0 at the end.</summary>
    /// <exception cref="IOException">The body broke off, nothing came within the limit, or it comes too slowly.</exception>
    /// <exception cref="OperationCanceledException">The client is gone.</exception>
    public async ValueTask<int> Next(Stream body, Memory<byte> into)
    {
        _quiet.CancelAfter(_limit);
        var begun = _minRate > 0 ? _time.GetTimestamp() : 0;
        try
        {
            var got = await body.ReadAsync(into, _either.Token);
            if (_minRate > 0 && got > 0)
                CheckRate(got, _time.GetElapsedTime(begun));
            return got;
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            throw new IOException($"nothing came for {_limit.TotalSeconds} s");
        }
        finally
        {
            _quiet.CancelAfter(Timeout.InfiniteTimeSpan);   // a slow client is not the source's fault
        }
    }

    /// <summary>Reads until the memory is full or the body ends; how much that was.</summary>
    /// <inheritdoc cref="Next" path="/exception"/>
    public async ValueTask<int> Fill(Stream body, Memory<byte> into)
    {
        var filled = 0;
        while (filled < into.Length && await Next(body, into[filled..]) is > 0 and var got)
            filled += got;
        return filled;
    }

    /// <summary>Reads a small body; null when it is longer than allowed.</summary>
    /// <param name="answer">Its head has been read.</param>
    /// <param name="most">In bytes.</param>
    /// <inheritdoc cref="Next" path="/exception"/>
    public async Task<byte[]?> Whole(HttpResponseMessage answer, int most)
    {
        var length = answer.Content.Headers.ContentLength;
        if (length > most)
            return null;
        await using var body = await answer.Content.ReadAsStreamAsync(_stop);
        if (length is { } known)
        {
            var exact = new byte[known];
            return await Fill(body, exact) == exact.Length ? exact : throw new IOException("the body broke off");
        }
        var buffer = new byte[FirstBuffer];
        for (var got = 0; ;)
        {
            got += await Fill(body, buffer.AsMemory(got));
            if (got > most)
                return null;
            if (got < buffer.Length)
                return buffer[..got];
            Array.Resize(ref buffer, (int)Math.Min(2L * buffer.Length, most + 1L));
        }
    }

    // Only the time spent waiting here counts: a slow client does not slow its source down in this sum.
    private void CheckRate(int got, TimeSpan took)
    {
        (_came, _waited) = (_came + got, _waited + took);
        if (_waited < RateWindow)
            return;
        if (_came < _minRate * _waited.TotalSeconds)
            throw new IOException($"it came at less than {_minRate} bytes a second");
        (_came, _waited) = (0, TimeSpan.Zero);
    }

    public void Dispose()
    {
        _either.Dispose();
        _quiet.Dispose();
    }
}
