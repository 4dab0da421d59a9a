namespace Kuik.ImageFetcher.CopyEngine;

/// <content>The room of blobs.</content>
internal sealed partial class Spool
{
    /// <summary>Takes the minimum room of a blob, beyond the limit if need be; a negative number returns some.</summary>
    internal void Take(SpooledBlob blob, long bytes)
    {
        var removed = new List<SpooledBlob>();
        lock (_gate)
        {
            _room.Take(blob, bytes);
            while (_room.Used > _room.Limit && DropIdle(removed))
            {
            }
        }
        removed.ForEach(idle => idle.Dispose());
    }

    /// <summary>Takes room up to an offset, if available; idle blobs are removed for it.</summary>
    /// <param name="blob">The blob that grows.</param>
    /// <param name="end">The offset to reach, in bytes.</param>
    /// <param name="size">The blob's size; null when unknown.</param>
    internal bool TryGrow(SpooledBlob blob, long end, long? size)
    {
        var removed = new List<SpooledBlob>();
        bool fits;
        lock (_gate)
        {
            var bytes = SpoolRoom.Missing(blob, end, size);
            while (_room.Used + bytes > _room.Limit && DropIdle(removed))
            {
            }
            fits = _room.TryTake(blob, bytes);
        }
        removed.ForEach(idle => idle.Dispose());
        if (!fits)
            CutStalled();
        return fits;
    }

    /// <summary>Notes a full disk: all idle blobs are removed.</summary>
    /// <returns>True if there were any.</returns>
    internal bool SawFullDisk()
    {
        var removed = new List<SpooledBlob>();
        lock (_gate)
        {
            while (DropIdle(removed))
            {
            }
            if (removed.Count == 0)
                _room.SawFullDisk();
        }
        removed.ForEach(idle => idle.Dispose());
        return removed.Count > 0;
    }

    /// <summary>A new file; in memory if the disk is full.</summary>
    internal SpoolFile CreateFile(string path, int size)
    {
        for (var isLastTry = false; ; isLastTry = true)
            try
            {
                return SpoolFile.Create(path, size);
            }
            catch (IOException)
            {
                if (!isLastTry && SawFullDisk())
                    continue;
                _metrics.CountInMemory();
                return SpoolFile.InMemory(Math.Max(size, 1));
            }
    }

    private bool DropIdle(List<SpooledBlob> removed)
    {
        if (_idle.First is not { Value: var idle })
            return false;
        removed.Add(Remove(idle));
        return true;
    }
}
