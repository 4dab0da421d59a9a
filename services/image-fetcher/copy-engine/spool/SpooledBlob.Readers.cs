namespace Kuik.ImageFetcher.CopyEngine;

/// <content>The readers, each at its own pace.</content>
internal sealed partial class SpooledBlob
{
    internal SpoolReader AddReader(string repository, bool isPeer)
    {
        var reader = new SpoolReader(this, repository, isPeer) { MovedAt = spool.Time.GetTimestamp() };
        lock (_gate)
        {
            reader.Position = _start;   // a late reader does not delay the others
            _readers.Add(reader);
        }
        return reader;
    }

    internal void Leave(SpoolReader reader)
    {
        Change(() => _readers.Remove(reader));   // the download may have waited for this reader
        spool.Leave(this);
    }

    internal CopyException FailureOf(string repository) => Sources.FailureOf(repository) ?? _failure!;

    internal async ValueTask<int> Read(SpoolReader reader, Memory<byte> buffer, long offset, CancellationToken ct)
    {
        while (true)
        {
            Task moved;
            int length;
            lock (_gate)
            {
                reader.IsReading = true;
                length = (int)Math.Min(buffer.Length, Available(reader) - offset);
                if (length > 0)
                    Move(reader, offset, ref length);
                else if (_failure is not null)
                    throw reader.FailureOf();
                else if (IsComplete)
                    return 0;
                moved = (_moved ??= NewSignal()).Task;
            }
            if (length > 0)
                return await ReadFile(reader, buffer[..length], offset, ct);
            await moved.WaitAsync(ct);   // a cancelled reader does not read again
        }
    }

    /// <summary>Fails readers that have made no progress for long, when room is short.</summary>
    internal void CutStalled() => CutReaders(
        reader => !reader.IsReading && spool.Time.GetElapsedTime(reader.MovedAt) >= ReaderPatience,
        $"blob {Digest}: a reader stood still for {ReaderPatience.TotalSeconds:0} s while the spool was full");

    /// <summary>Fails all readers, for shutdown.</summary>
    internal void CutAll() => CutReaders(_ => true, $"blob {Digest}: image-fetcher is stopping");

    private long Available(SpoolReader reader) => reader.Cut is { } cut ? throw cut
        : IsComplete ? _written : Math.Max(0, _written - reader.HeldBack);

    private void Move(SpoolReader reader, long offset, ref int length)
    {
        if (offset < Start)
            throw new CopyException(
                CopyException.Cache, $"blob {Digest} has left the spool up to byte {Start}, and {offset} was asked for", retryHelps: true);
        length = _file!.Contiguous(offset, length);
        (reader.Position, reader.End) = (offset, Math.Max(reader.End, offset + length));
    }

    private async ValueTask<int> ReadFile(SpoolReader reader, Memory<byte> buffer, long offset, CancellationToken ct)
    {
        var got = await _file!.Read(buffer, offset, ct);
        TaskCompletionSource? moved;
        lock (_gate)
        {
            if (reader.Cut is { } cut)
                throw cut;   // perhaps overwritten during the read
            reader.Position = offset + got;
            reader.MovedAt = spool.Time.GetTimestamp();
            reader.IsReading = false;
            moved = _file.IsCircle ? _moved : null;
            if (moved is not null)
                _moved = null;
        }
        moved?.SetResult();
        return got;
    }

    private void CutReaders(Func<SpoolReader, bool> which, string why) => Change(() =>
    {
        foreach (var reader in _readers.Where(which))
            reader.Cut ??= new CopyException(CopyException.Broken, why, retryHelps: true);
    });

    /// <summary>In the circular buffer: waits until every reader has read the bytes to be overwritten.</summary>
    private async Task WaitForReaders(CircularFile file, long end, CancellationToken ct)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                var start = end - file.Capacity;
                if (start <= _start)
                    return;
                var readers = _readers.Where(reader => reader.Cut is null).ToList();
                if (readers.Count == 0)
                    throw new CopyException(
                        CopyException.Cache, $"blob {Digest} does not fit into the spool, and has no reader left", retryHelps: true);
                if (readers.Min(reader => reader.Position) >= start)
                {
                    Interlocked.Exchange(ref _start, start);
                    return;
                }
                moved = (_moved ??= NewSignal()).Task;
            }
            try
            {
                await moved.WaitAsync(ReaderPatience, spool.Time, ct);
            }
            catch (TimeoutException)
            {
                CutStalled();
            }
        }
    }

    /// <summary>After a restart: compares bytes with those that readers have got.</summary>
    private async ValueTask Compare(CircularFile file, ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        var length = (int)Math.Min(bytes.Length, _compareUntil - _written);
        if (length <= 0)
            return;
        var same = await file.CommonPrefix(bytes[..length], _written, ct);
        if (same == length)
            return;
        _compareUntil = 0;
        CutReaders(reader => reader.End > _written + same, $"blob {Digest}: the origin sent something else");
    }
}
