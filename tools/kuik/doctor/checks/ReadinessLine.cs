namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>Lines of <c>/readyz</c>: <c>postgres: Unhealthy fails at …</c>.</summary>
internal static class ReadinessLine
{
    /// <summary>Lines of health checks that are not healthy; empty when the service was not reached.</summary>
    public static IEnumerable<string> UnwellOf(ServiceAnswers answers) => answers.Readiness.Problem is null
        ? answers.Readiness.Value.Split('\n').Skip(1)
            .Where(line => IsUnhealthy(line) || line.Contains(": Degraded", StringComparison.Ordinal))
        : [];

    /// <summary>True when the service cannot do its work, as opposed to part of it.</summary>
    public static bool IsUnhealthy(string line) => line.Contains(": Unhealthy", StringComparison.Ordinal);
}
