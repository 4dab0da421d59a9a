using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Kuik.Kubernetes;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class RegistryAndCredentialsCheckTests
{
    private const string Cache = "the cache registry: PATCH http://kuik-registry:5000/v2/nginx/blobs/uploads/1: ";

    [Theory]
    [InlineData("507 Insufficient Storage", "the registry's storage is full")]
    [InlineData("500 Internal Server Error: UNKNOWN filesystem: write /var/lib/registry/x: no space left on device",
        "the registry's storage is full")]
    [InlineData("405 Method Not Allowed: UNSUPPORTED The operation is unsupported", "the registry is read-only")]
    [InlineData("500 Internal Server Error", "1 images could not be written to the registry")]
    public void What_the_registry_answers_to_writes_is_said(string answer, string found)
    {
        var finding = new RegistryCheck().Only(Snapshot with { Images = Read([Image("nginx", Cache + answer)]) });

        Assert.Equal(Severity.Error, finding.Severity);
        Assert.StartsWith(found, finding.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_is_seen_in_the_registrys_log_before_any_image_has_failed() => Assert.Equal(
        Severity.Error, new RegistryCheck()
            .Only(Snapshot with { RegistryLog = Reading.Of("level=error err.detail=\"no space left on device\"") }).Severity);

    [Fact]
    public void Without_the_log_it_is_unknown_whether_the_disk_is_full() =>
        Assert.Equal(Severity.Unknown, new RegistryCheck().Only(Snapshot with { RegistryLog = Reading<string>.Failed("403") }).Severity);

    [Fact]
    public void A_registry_that_is_set_to_read_only_is_an_error()
    {
        var readOnly = new EnvironmentVariable("REGISTRY_STORAGE_MAINTENANCE_READONLY", """{"enabled": true}""");
        var registry = NewWorkload("registry", "registry:2.8.3", readOnly);

        Assert.Equal(Severity.Error, new RegistryCheck().Only(Snapshot with { Workloads = Read([registry]) }).Severity);
    }

    [Fact]
    public void Errors_of_an_origin_are_not_the_registrys() => Assert.Equal(
        Severity.Ok, new RegistryCheck()
            .Only(Snapshot with { Images = Read([Image("nginx", "GET https://r/v2/: 405 Method Not Allowed")]) }).Severity);

    [Fact]
    public void A_registry_that_refuses_image_fetcher_is_an_error_of_credentials_only()
    {
        var cluster = Snapshot with { Images = Read([Image("nginx", Cache + "401 Unauthorized: UNAUTHORIZED authentication required")]) };

        Assert.Equal((Severity.Error, "the cache registry refuses image-fetcher's credentials, of 1 images"), Said(cluster));
        Assert.Equal(Severity.Ok, new RegistryCheck().Only(cluster).Severity);
    }

    [Fact]
    public void An_origin_that_refuses_pull_secrets_is_a_warning() => Assert.Equal(
        (Severity.Warning, "their registries refuse the pull secrets, or the lack of them, of app"),
        Said(Snapshot with { Images = Read([Image("app", "GET https://r/v2/app/manifests/1: 401 Unauthorized")]) }));

    [Fact]
    public void A_database_that_refuses_the_password_is_an_error() => Assert.Equal(
        Severity.Error,
        Said(Snapshot with
        {
            Answers =
            [
                Answer("expiry",
                    "Unhealthy\npostgres: Unhealthy fails at kuik-postgres:5432: 28P01: password authentication failed for user"),
            ],
        }).Severity);

    [Fact]
    public void A_lost_Secret_of_a_database_that_was_used_must_be_restored()
    {
        var claim = NewClaim("data-kuik-postgres-0", "Bound") with
        {
            Metadata = new ObjectMeta
            {
                Name = "data-kuik-postgres-0",
                Annotations = new Dictionary<string, string> { ["kuik.enix.io/credentials"] = "kuik-credentials" },
            },
        };
        var cluster = Snapshot with { CredentialKeys = Reading.Of<IReadOnlyList<string>?>(null), Claims = Read([claim]) };

        Assert.Contains("Restore the Secret", new CredentialsCheck().Only(cluster).Action, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_is_missing_is_named() => Assert.Contains(
        "registry-htpasswd", Said(Snapshot with { CredentialKeys = Reading.Of<IReadOnlyList<string>?>(["postgres"]) }).Found,
            StringComparison.Ordinal);

    private static (Severity Severity, string Found) Said(ClusterSnapshot cluster)
    {
        var (severity, found, _) = new CredentialsCheck().Only(cluster);
        return (severity, found);
    }
}
