using System.Diagnostics.Metrics;
using System.Text;
using Kuik.Hosting;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Kuik.Tests.Hosting;

/// <summary>Logging while standard output is not read.</summary>
public sealed class LogLineQueueTests
{
    private const int Lines = 3 * LogLineQueue.Capacity;

    [Fact]
    public async Task While_standard_output_is_not_read_lines_are_dropped_and_counted_and_when_it_is_read_again_the_count_follows_the_rest()
    {
        using var output = new PausedStream();
        using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        using var provider = new LineLoggerProvider(services.GetRequiredService<IMeterFactory>(), output);
        var logger = provider.CreateLogger("Kuik.Test");

        for (var i = 0; i < Lines; i++)
            Log(logger, i);   // would hang if it blocked
        var dropped = Measure("kuik_log_lines_dropped");
        output.Resume();
        await Eventually.True(() => output.Text.Contains("were dropped", StringComparison.Ordinal), "the drop was reported");

        var written = output.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(Lines, written.Length - 1 + dropped);
        Assert.InRange(dropped, Lines - LogLineQueue.Capacity - 1, Lines - LogLineQueue.Capacity);   // one may be in the writer's hands
        Assert.EndsWith("Test: line 0", written[0], StringComparison.Ordinal);
        var report = $" WARN LogLineQueue: {dropped} log lines were dropped: standard output was not read in time";
        Assert.EndsWith(report, written[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lines_that_fit_are_all_written_in_order_without_a_report()
    {
        using var output = new PausedStream();
        output.Resume();
        var queue = new LogLineQueue(output, sentence => sentence);

        for (var i = 0; i < LogLineQueue.Capacity; i++)
            queue.Add($"{i}\n");
        var last = $"{LogLineQueue.Capacity - 1}\n";
        await Eventually.True(() => output.Text.EndsWith(last, StringComparison.Ordinal), "the last line was written");
        queue.Dispose();

        Assert.Equal(string.Concat(Enumerable.Range(0, LogLineQueue.Capacity).Select(i => $"{i}\n")), output.Text);
        Assert.Equal(0, queue.Dropped);
    }

    [Fact]
    public void A_process_that_ends_while_standard_output_is_not_read_is_not_held_up()
    {
        using var output = new PausedStream();
        var queue = new LogLineQueue(output, sentence => sentence);
        queue.Add("stuck\n");

        queue.Dispose();   // would hang
        queue.Add("after the end\n");

        Assert.Equal(1, queue.Dropped);
    }

    [Fact]
    public async Task A_write_that_fails_is_counted_and_the_next_line_is_written()
    {
        using var output = new PausedStream { FailsOnce = true };
        output.Resume();
        using var queue = new LogLineQueue(output, sentence => sentence + "\n");

        queue.Add("lost\n");
        queue.Add("written\n");
        await Eventually.True(() => output.Text.Contains("written", StringComparison.Ordinal), "the second line was written");

        Assert.Equal(1, queue.Dropped);
        await Eventually.True(() => output.Text.Contains("1 log lines were dropped", StringComparison.Ordinal), "the loss was reported");
    }

    private static void Log(ILogger logger, int i) => logger.Log(LogLevel.Information, default, i, null, (line, _) => $"line {line}");

    private static long Measure(string name)
    {
        var value = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, all) =>
        {
            if (instrument.Name == name)
                all.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, measured, _, _) => value = Math.Max(value, measured));
        listener.Start();
        listener.RecordObservableInstruments();
        return value;
    }

    /// <summary>A standard output that is not read until <see cref="Resume"/>.</summary>
    private sealed class PausedStream : MemoryStream
    {
        private readonly ManualResetEventSlim resumed = new();

        public bool FailsOnce { get; set; }

        public string Text
        {
            get
            {
                lock (resumed)
                    return Encoding.UTF8.GetString(ToArray());
            }
        }

        public void Resume() => resumed.Set();

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            resumed.Wait();
            lock (resumed)
            {
                if (FailsOnce)
                {
                    FailsOnce = false;
                    throw new IOException("No space left on device");
                }
                base.Write(buffer);
            }
        }
    }
}
