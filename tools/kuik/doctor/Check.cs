namespace Kuik.CommandLine.Doctor;

/// <summary>One check: a pure decision over a snapshot of the cluster.</summary>
internal abstract class Check
{
    /// <summary>Its name in the output; scripts rely on it.</summary>
    public abstract string Name { get; }

    /// <summary>The findings: at least one. Unknown when a required part of the cluster could not be read.</summary>
    public IReadOnlyList<Finding> Examine(ClusterSnapshot cluster)
    {
        var problems = Needs(cluster).Select(reading => reading.Problem).OfType<string>().Distinct().ToList();
        if (problems.Count > 0)
            return [Unknown(string.Join("; ", problems))];
        IReadOnlyList<Finding> findings = [.. Decide(cluster)];
        return findings.Count > 0 ? findings : [new Finding(Name, Severity.Ok, Describe(cluster))];
    }

    /// <summary>The parts of the cluster that the check requires.</summary>
    protected abstract IEnumerable<IReading> Needs(ClusterSnapshot cluster);

    /// <summary>The problems; empty when there are none.</summary>
    protected abstract IEnumerable<Finding> Decide(ClusterSnapshot cluster);

    /// <summary>The finding when there are no problems.</summary>
    protected abstract string Describe(ClusterSnapshot cluster);

    /// <summary>A finding that a part does not work.</summary>
    protected Finding Error(string found, string action) => new(Name, Severity.Error, found, action);

    /// <summary>A finding that needs attention.</summary>
    protected Finding Warning(string found, string action) => new(Name, Severity.Warning, found, action);

    /// <summary>A finding that could not be determined.</summary>
    protected Finding Unknown(string problem, string? action = null) => new(
        Name, Severity.Unknown, "cannot tell: " + problem,
        action ?? "Run it with the rights that docs/operations/doctor.md lists, while the API server answers.");
}
