namespace Kuik.NodeProxy;

/// <summary>Reads upstream bodies that may take as long as they like, but not stand still.</summary>
internal sealed class ReadBody : IDisposable
{
    private readonly TimeSpan _limit;
    private readonly CancellationToken _stop;
    private readonly CancellationTokenSource _quiet;
    private readonly CancellationTokenSource _either;

    /// <param name="limit">How long nothing may come.</param>
    /// <param name="time">The clock.</param>
    /// <param name="stop">The client is gone.</param>
    public ReadBody(TimeSpan limit, TimeProvider time, CancellationToken stop)
    {
        (_limit, _stop) = (limit, stop);
        _quiet = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(stop, _quiet.Token);
    }

    /// <summary>Reads what is there, at least one byte; 0 at the end.</summary>
    /// <exception cref="IOException">The body broke off, or nothing came within the limit.</exception>
    /// <exception cref="OperationCanceledException">The client is gone.</exception>
    public async ValueTask<int> Next(Stream body, Memory<byte> into)
    {
        _quiet.CancelAfter(_limit);
        try
        {
            return await body.ReadAsync(into, _either.Token);
        }
        catch (OperationCanceledException) when (!_stop.IsCancellationRequested)
        {
            throw new IOException($"nothing came for {_limit.TotalSeconds} s");
        }
        finally
        {
            _quiet.CancelAfter(Timeout.InfiniteTimeSpan);   // a slow client is not the upstream's fault
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
        var buffer = new byte[most + 1];
        var got = await Fill(body, buffer);
        return got <= most ? buffer[..got] : null;
    }

    public void Dispose()
    {
        _either.Dispose();
        _quiet.Dispose();
    }
}
