using Kuik.CommandLine.Doctor.Checks;

namespace Kuik.CommandLine.Doctor;

/// <summary>All checks, in the order of the output: those that explain other findings come first.</summary>
internal static class Diagnosis
{
    /// <summary>The checks.</summary>
    public static IReadOnlyList<Check> Checks { get; } =
    [
        new InstallationCheck(), new VolumesCheck(), new PodsCheck(), new VersionsCheck(), new CertificateCheck(),
            new WebhookReachCheck(), new PullPolicyCheck(),
        new PolicyEnginesCheck(), new DataPathCheck(), new LoopbackCheck(), new ServiceAddressesCheck(), new ServicesCheck(),
            new CredentialsCheck(),
        new RegistryCheck(), new BacklogCheck(),
    ];

    /// <summary>The findings of all checks.</summary>
    public static IReadOnlyList<Finding> Of(ClusterSnapshot cluster) => [.. Checks.SelectMany(check => check.Examine(cluster))];

    /// <summary>The command's exit code.</summary>
    public static int ExitCodeOf(IReadOnlyList<Finding> findings) =>
        findings.Any(finding => finding.Severity == Severity.Error) ? ExitCode.ErrorsFound
        : findings.Any(finding => finding.Severity == Severity.Unknown) ? ExitCode.Unknown
        : ExitCode.Ok;
}
