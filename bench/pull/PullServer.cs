using System.Globalization;
using Kuik.Testing;

namespace Kuik.Bench.Pull;

/// <summary>One who answers pulls, and what it uses: nginx's workers count as it does.</summary>
/// <param name="Name">The subject's.</param>
/// <param name="Endpoint">Without a path.</param>
/// <param name="Process">The one that was started.</param>
internal sealed record PullServer(string Name, Uri Endpoint, ServerProcess Process)
{
    public double CpuSeconds => Processes().Sum(ProcessUsage.CpuSeconds);

    /// <summary>In MiB.</summary>
    public double ResidentMemory => Processes().Sum(ProcessUsage.ResidentMemory);

    /// <summary>In MiB, since <see cref="ForgetPeak"/>.</summary>
    public double PeakMemory => Processes().Sum(process => ProcessUsage.PeakMemory(process) ?? 0);

    public void ForgetPeak()
    {
        foreach (var process in Processes())
            ProcessUsage.ForgetPeak(process);
    }

    private IEnumerable<int> Processes() => File.ReadAllText($"/proc/{Process.Id}/task/{Process.Id}/children")
        .Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(child => int.Parse(child, CultureInfo.InvariantCulture))
        .Prepend(Process.Id);
}
