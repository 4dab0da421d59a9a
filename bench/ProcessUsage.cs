using System.Globalization;
using System.Runtime.InteropServices;

namespace Kuik.Bench;

/// <summary>The resource use of processes, from the kernel.</summary>
internal static class ProcessUsage
{
    private const int OfEndedChildren = -1;

    /// <summary>CPU seconds of a live process so far, user and system, in steps of 10 ms.</summary>
    public static double CpuSeconds(int process)
    {
        var fields = File.ReadAllText($"/proc/{process}/stat").Split(") ")[1].Split(' ');   // the name, in parentheses, may hold spaces
        const double ticksASecond = 100;
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / ticksASecond;
    }

    /// <summary>CPU seconds of all children that this process has started and that have ended.</summary>
    public static double CpuSecondsOfEndedChildren() =>
        GetResourceUsage(OfEndedChildren, out var usage) == 0
            ? usage.UserSeconds + usage.SystemSeconds + ((usage.UserMicroseconds + usage.SystemMicroseconds) / 1e6)
            : throw new InvalidOperationException("getrusage failed");

    /// <summary>Memory that a process holds, in MiB.</summary>
    public static double ResidentMemory(int process) =>
        Status(process, "VmRSS:") ?? throw new InvalidOperationException($"process {process} has ended");

    /// <summary>The part of <see cref="ResidentMemory"/> that is pages of files, in MiB: programs and libraries, which processes share and
    /// the kernel can read again.</summary>
    public static double FilePages(int process) =>
        Status(process, "RssFile:") ?? throw new InvalidOperationException($"process {process} has ended");

    /// <summary>The most memory that a process has held since it began (or since <see cref="ForgetPeak"/>), in MiB; null when it has
    /// ended.</summary>
    public static double? PeakMemory(int process) => Status(process, "VmHWM:");

    /// <summary>Lets the peak begin anew from what the process holds now.</summary>
    public static void ForgetPeak(int process) => File.WriteAllText($"/proc/{process}/clear_refs", "5");

    private static double? Status(int process, string name)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
            return line is null ? null : long.Parse(line[name.Length..^" kB".Length], CultureInfo.InvariantCulture) / 1024d;
        }
        catch (IOException)
        {
            return null;
        }
    }

    [DllImport("libc", EntryPoint = "getrusage", SetLastError = true)]
    private static extern int GetResourceUsage(int who, out ResourceUsage usage);

    /// <summary>struct rusage: times, then fourteen numbers that are not read.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 144)]
    private struct ResourceUsage
    {
        public long UserSeconds;
        public long UserMicroseconds;
        public long SystemSeconds;
        public long SystemMicroseconds;
    }
}
