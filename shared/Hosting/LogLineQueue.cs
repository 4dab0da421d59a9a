using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Kuik.Hosting;

/// <summary>
/// Log lines on their way to standard output, written by a thread of its own. While standard output is not read (a stuck container runtime,
/// a full disk), at most <see cref="Capacity"/> lines wait and further ones are dropped and counted: <see cref="Add"/> never blocks.
/// AddConsole would either block its callers or drop without a count that a metric can show.
/// </summary>
internal sealed class LogLineQueue : IDisposable
{
    /// <summary>Lines that wait at most: the default of AddConsole.</summary>
    public const int Capacity = 2500;

    /// <summary>How long <see cref="Dispose"/> waits for the lines that are left, as AddConsole does.</summary>
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(1.5);

    private readonly BlockingCollection<string> _lines = new(Capacity);
    private readonly Func<string, string> _report;
    private readonly Stream _output;
    private readonly Thread _writer;
    private long _dropped;
    private long _reported;

    /// <param name="output">Standard output; used by one thread only.</param>
    /// <param name="report">Makes a log line of a sentence: the one that says how many lines were dropped.</param>
    public LogLineQueue(Stream output, Func<string, string> report)
    {
        (_output, _report) = (output, report);
        _writer = new Thread(WriteAll) { IsBackground = true, Name = "log lines" };
        _writer.Start();
    }

    /// <summary>Lines dropped since the start, those of failed writes included.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Queues a line, or drops it when the queue is full.</summary>
    /// <param name="line">With its line end.</param>
    public void Add(string line)
    {
        try
        {
            if (_lines.TryAdd(line))
                return;
        }
        catch (InvalidOperationException)
        {
            // Disposed: the process is about to end.
        }
        Interlocked.Increment(ref _dropped);
    }

    /// <summary>Writes what is left, for 1.5 seconds at most.</summary>
    public void Dispose()
    {
        _lines.CompleteAdding();
        if (_writer.Join(FlushLimit))
            _lines.Dispose();
    }

    private void WriteAll()
    {
        var sinceReport = 0;   // lines
        foreach (var line in _lines.GetConsumingEnumerable())
        {
            if (!TryWrite(line))
                Interlocked.Increment(ref _dropped);
            if (_lines.Count == 0 || ++sinceReport >= 4 * Capacity)   // the latter: more is logged than is ever read
                (_, sinceReport) = (Report(), 0);
        }
        Report();
    }

    private bool Report()
    {
        var dropped = Dropped;
        if (dropped == _reported)
            return true;
        var count = (dropped - _reported).ToString(CultureInfo.InvariantCulture);
        if (!TryWrite(_report($"{count} log lines were dropped: standard output was not read in time")))
            return false;
        _reported = dropped;
        return true;
    }

    private bool TryWrite(string line)
    {
        try
        {
            _output.Write(Encoding.UTF8.GetBytes(line));
            return true;
        }
        catch (IOException)
        {
            return false;   // a full disk, say: counted by the caller
        }
    }
}
