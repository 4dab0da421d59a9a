using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Output;

/// <summary>
/// A line on standard error that shows the progress of what takes longer than a second; nothing where that is no terminal. It is removed at
/// the end.
/// </summary>
/// <param name="activity">For example <c>reading the log</c>.</param>
/// <param name="total">The number of steps; null when it is not known.</param>
/// <param name="unit">Of the steps, in the plural.</param>
internal sealed class ProgressLine(string activity, long? total = null, string unit = "events")
    : IProgress<long>, IProgress<LogProgress>, IDisposable
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Next = TimeSpan.FromMilliseconds(200);

    private readonly long _began = TimeProvider.System.GetTimestamp();
    private TimeSpan _shown = First - Next;
    private int _width;

    /// <inheritdoc/>
    public void Report(long value) => Report(new LogProgress(value, total));

    /// <inheritdoc/>
    public void Report(LogProgress value)
    {
        var elapsed = TimeProvider.System.GetElapsedTime(_began);
        if (Console.IsErrorRedirected || elapsed < _shown + Next)
            return;
        _shown = elapsed;
        var line = Text(activity, value.Done, value.Total, elapsed, unit);
        Console.Error.Write("\r" + line.PadRight(_width));
        _width = line.Length;
    }

    /// <summary>For example <c>reading the log … 120,000 of 1,000,000 events (80,000/s)</c>.</summary>
    internal static string Text(string activity, long value, long? total, TimeSpan elapsed, string unit = "events") => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"{activity} … {value:N0}{(total is null ? "" : $" of {total:N0}")} {unit} ({value / elapsed.TotalSeconds:N0}/s)");

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_width > 0)
            Console.Error.Write("\r" + new string(' ', _width) + "\r");
    }
}
