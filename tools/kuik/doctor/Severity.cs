namespace Kuik.CommandLine.Doctor;

/// <summary>What a finding means, the better ones first.</summary>
public enum Severity
{
    /// <summary>Checked, and as it should be.</summary>
    Ok,

    /// <summary>Works now, and needs attention.</summary>
    Warning,

    /// <summary>Could not be determined: a right is missing, or a server did not answer. Never taken for <see cref="Ok"/>.</summary>
    Unknown,

    /// <summary>Something does not work.</summary>
    Error,
}
