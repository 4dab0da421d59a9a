using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Kuik.Bench.Admission;

/// <summary>Requests at a fixed rate, whether answers come or not: one that is sent late because others are late counts from the moment it
/// was planned for.</summary>
internal static class OpenLoop
{
    /// <summary>Sends for so long at such a rate.</summary>
    /// <param name="send">Sends one request, by its number, and returns when its answer has been read.</param>
    /// <param name="perSecond">How many.</param>
    /// <param name="duration">For how long.</param>
    /// <returns>Milliseconds of each, from the planned moment of sending to the end of the answer, in order of size.</returns>
    /// <exception cref="HttpRequestException">An answer was not what it has to be.</exception>
    public static async Task<double[]> Run(Func<int, Task> send, int perSecond, TimeSpan duration)
    {
        var requests = new Task<double>[(int)(perSecond * duration.TotalSeconds)];
        // A thread of its own that sleeps to the microsecond: a timer's ticks of a millisecond would be most of what is measured.
        await Task.Factory.StartNew(() => Send(send, requests, perSecond), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        var latencies = await Task.WhenAll(requests);
        Array.Sort(latencies);
        return latencies;
    }

    /// <summary>The value that such a part of the sorted ones does not pass.</summary>
    public static double Percentile(double[] sorted, double part) => sorted[Math.Max(0, (int)Math.Ceiling(sorted.Length * part) - 1)];

    private static void Send(Func<int, Task> send, Task<double>[] requests, int perSecond)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < requests.Length; i++)
        {
            var planned = start + (long)(i * (double)Stopwatch.Frequency / perSecond);
            SleepUntil(planned);
            requests[i] = Time(send, i, planned);
        }
    }

    private static async Task<double> Time(Func<int, Task> send, int i, long planned)
    {
        await Task.Yield();   // what it costs to send is not to hold up the next one
        await send(i);
        return Stopwatch.GetElapsedTime(planned).TotalMilliseconds;
    }

    private static void SleepUntil(long moment)
    {
        while (Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), moment) is { Ticks: > 0 } left)
        {
            var time = new TimeSpec
            { Seconds = left.Ticks / TimeSpan.TicksPerSecond, Nanoseconds = left.Ticks % TimeSpan.TicksPerSecond * 100 };
            _ = NanoSleep(ref time, 0);   // woken early by a signal, it sleeps again
        }
    }

    [DllImport("libc", EntryPoint = "nanosleep")]
    private static extern int NanoSleep(ref TimeSpec time, nint remaining);

    /// <summary>struct timespec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
