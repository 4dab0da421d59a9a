using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace Kuik.Hosting;

/// <summary>
/// The logger provider for standard output, one line an entry, which never blocks its callers. Configured like the console's
/// provider (<c>Logging:Console</c>).
/// </summary>
[ProviderAlias("Console")]
internal sealed class LineLoggerProvider : ILoggerProvider
{
    private readonly LogLineQueue _lines;

    /// <param name="meters">For <c>kuik_log_lines_dropped_total</c>.</param>
    public LineLoggerProvider(IMeterFactory meters)
        : this(meters, Console.OpenStandardOutput())
    {
    }

    /// <param name="meters">As above.</param>
    /// <param name="output">The stream to write to.</param>
    internal LineLoggerProvider(IMeterFactory meters, Stream output)
    {
        _lines = new LogLineQueue(output, sentence => LineFormatter.Format(LogLevel.Warning, nameof(LogLineQueue), sentence, null));
        meters.Create("Kuik.Hosting").CreateObservableCounter(
            "kuik_log_lines_dropped", () => _lines.Dropped, description: "Log lines dropped because standard output was not read in time.");
    }

    public ILogger CreateLogger(string categoryName) => new LineLogger(categoryName, _lines);

    public void Dispose() => _lines.Dispose();

    private sealed class LineLogger(string category, LogLineQueue lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                lines.Add(LineFormatter.Format(logLevel, category, formatter(state, null), exception));
        }
    }
}
