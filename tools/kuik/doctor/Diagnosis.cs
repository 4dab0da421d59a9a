using Kuik.CommandLine.Doctor.Checks;

namespace Kuik.CommandLine.Doctor;

/// <summary>All checks, in the order of the output: what explains other findings comes first.</summary>
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

    /// <summary>What they find.</summary>
    public static IReadOnlyList<Finding> Of(ClusterSnapshot cluster) => [.. Checks.SelectMany(check => check.Examine(cluster))];

    /// <summary>How the command ends.</summary>
    public static int ExitCodeOf(IReadOnlyList<Finding> findings) =>
        findings.Any(finding => finding.Severity == Severity.Error) ? ExitCode.ErrorsFound
        : findings.Any(finding => finding.Severity == Severity.Unknown) ? ExitCode.Unknown
        : ExitCode.Ok;
}
