using System.Text;
using System.Text.Json;

namespace Kuik.CommandLine.Audit;

/// <summary>The file of an export that is continued.</summary>
internal static class ExportFile
{
    private const int Block = 1 << 16;

    /// <summary>Finds the last event in the file, removes an incomplete line after it, and leaves the file at its end.</summary>
    /// <returns>The event's sequence number; null for an empty file.</returns>
    /// <exception cref="EventLogUnusableException">The last line is no exported event: the file is another one.</exception>
    public static async Task<long?> FindEnd(FileStream file, CancellationToken ct)
    {
        var end = await FindNewLine(file, file.Length, ct) + 1;
        if (end < file.Length)
            file.SetLength(end);   // an export that was interrupted
        var start = end == 0 ? 0 : await FindNewLine(file, end - 1, ct) + 1;
        file.Position = start;
        var line = new byte[end - start];
        await file.ReadExactlyAsync(line, ct);
        if (line.Length == 0)
            return null;
        return PositionOf(Encoding.UTF8.GetString(line), file);
    }

    /// <summary>Finds the first event in a file that has one, and leaves the file at its end.</summary>
    /// <returns>The event's sequence number.</returns>
    /// <exception cref="EventLogUnusableException">The first line is no exported event: the file is another one.</exception>
    public static async Task<long> FindBegin(FileStream file, CancellationToken ct)
    {
        file.Position = 0;
        using var reader = new StreamReader(file, Encoding.UTF8, leaveOpen: true);
        var first = PositionOf(await reader.ReadLineAsync(ct) ?? "", file);
        file.Seek(0, SeekOrigin.End);
        return first;
    }

    private static long PositionOf(string line, FileStream file)
    {
        try
        {
            return CloudEvent.Parse(line).Position;
        }
        catch (Exception fault) when (fault is JsonException or FormatException)
        {
            throw new EventLogUnusableException(
                $"{file.Name} does not hold exported events, so it is not continued: {fault.Message}", fault);
        }
    }

    /// <summary>The place of the last line feed before this one; -1 for none.</summary>
    private static async Task<long> FindNewLine(FileStream file, long before, CancellationToken ct)
    {
        var block = new byte[Block];
        while (before > 0)
        {
            var from = Math.Max(0, before - Block);
            file.Position = from;
            var read = block.AsMemory(0, (int)(before - from));
            await file.ReadExactlyAsync(read, ct);
            if (read.Span.LastIndexOf((byte)'\n') is >= 0 and var found)
                return from + found;
            before = from;
        }
        return -1;
    }
}
