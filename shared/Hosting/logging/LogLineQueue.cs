using System.Globalization;
using System.Text;

namespace Kuik.Hosting;

/// <summary>
/// The queue of log lines for standard output, written by a thread of its own. While standard output is not read (a stuck container
/// runtime, a full disk), at most <see cref="Capacity"/> lines wait and further ones are dropped and counted: <see cref="Add"/> never
/// blocks. AddConsole would either block its callers or drop lines without a metric.
/// </summary>
internal sealed class LogLineQueue : IDisposable
{
    /// <summary>The limit of waiting lines: the default of AddConsole.</summary>
    public const int Capacity = 2500;

    /// <summary>How long <see cref="Dispose"/> waits for the remaining lines, as AddConsole does.</summary>
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(1.5);

    // Not a BlockingCollection: its consumer spins before it waits, which cost the webhook 0.1 ms of CPU a review.
    private readonly object _lock = new();
    private readonly Queue<string> _lines = new();
    private readonly Func<string, string> _report;
    private readonly Stream _output;
    private readonly Thread _writer;
    private bool _isComplete;
    private long _dropped;
    private long _reported;

    /// <param name="output">Standard output; used by one thread only.</param>
    /// <param name="report">Formats a sentence as a log line: the report of dropped lines.</param>
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
        lock (_lock)
        {
            if (!_isComplete && _lines.Count < Capacity)
            {
                _lines.Enqueue(line);
                if (_lines.Count == 1)
                    Monitor.Pulse(_lock);
                return;
            }
        }
        Interlocked.Increment(ref _dropped);
    }

    /// <summary>Writes the remaining lines, for 1.5 seconds at most.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isComplete = true;
            Monitor.Pulse(_lock);
        }
        _writer.Join(FlushLimit);
    }

    private void WriteAll()
    {
        var sinceReport = 0;   // lines
        while (TakeNext() is { } line)
        {
            if (!TryWrite(line))
                Interlocked.Increment(ref _dropped);
            if (IsEmpty() || ++sinceReport >= 4 * Capacity)   // the latter: more is logged than standard output takes
                (_, sinceReport) = (Report(), 0);
        }
        Report();
    }

    /// <summary>The next line; null at the end.</summary>
    private string? TakeNext()
    {
        lock (_lock)
        {
            while (_lines.Count == 0 && !_isComplete)
                Monitor.Wait(_lock);
            return _lines.Count > 0 ? _lines.Dequeue() : null;
        }
    }

    private bool IsEmpty()
    {
        lock (_lock)
            return _lines.Count == 0;
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
            return false;   // for example a full disk: counted by the caller
        }
    }
}
