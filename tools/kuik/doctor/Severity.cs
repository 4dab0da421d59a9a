namespace Kuik.CommandLine.Doctor;

/// <summary>The severity of a finding, in ascending order.</summary>
public enum Severity
{
    /// <summary>Checked, and without problems.</summary>
    Ok,

    /// <summary>Works now, and needs attention.</summary>
    Warning,

    /// <summary>Could not be determined: a permission is missing, or a server did not answer. Never treated as <see cref="Ok"/>.</summary>
    Unknown,

    /// <summary>A part does not work.</summary>
    Error,
}
