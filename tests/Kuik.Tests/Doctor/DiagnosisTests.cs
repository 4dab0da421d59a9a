using System.Text.Json.Nodes;
using Kuik.CommandLine;
using Kuik.CommandLine.Doctor;
using Kuik.Kubernetes;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Doctor;

public sealed class DiagnosisTests
{
    [Fact]
    public void In_a_healthy_cluster_every_check_is_ok_and_the_command_ends_with_0()
    {
        var findings = Diagnosis.Of(HealthyCluster.Snapshot);

        Assert.Equal(Diagnosis.Checks.Select(check => (check.Name, Severity.Ok, (string?)null)),
            findings.Select(one => (one.Check, one.Severity, one.Action)));
        Assert.Equal(ExitCode.Ok, Diagnosis.ExitCodeOf(findings));
    }

    [Fact]
    public void What_cannot_be_read_is_unknown_for_every_check_and_never_ok()
    {
        var findings = Diagnosis.Of(NothingReadable);

        Assert.Equal(Diagnosis.Checks.Select(check => check.Name), findings.Select(finding => finding.Check).Distinct());
        Assert.DoesNotContain(findings, finding => finding.Severity == Severity.Ok);
        Assert.DoesNotContain(findings, finding => finding.Severity == Severity.Error);
        Assert.Equal(ExitCode.Unknown, Diagnosis.ExitCodeOf(findings));
    }

    [Fact]
    public void Every_finding_but_ok_says_what_to_do()
    {
        var broken = HealthyCluster.Snapshot with
        {
            Pods = HealthyCluster.Read<Pod>([]),
            Webhook = Reading.Of<WebhookConfiguration?>(null),
            Answers = [],
        };

        Assert.All(
            [.. Diagnosis.Of(NothingReadable), .. Diagnosis.Of(broken)],
            finding => Assert.Equal(finding.Severity == Severity.Ok, string.IsNullOrEmpty(finding.Action)));
    }

    [Theory]
    [InlineData(0, Severity.Ok, Severity.Warning)]
    [InlineData(3, Severity.Unknown, Severity.Warning)]
    [InlineData(1, Severity.Unknown, Severity.Error)]
    public void The_exit_code_is_that_of_the_worst_finding(int code, params Severity[] severities) =>
        Assert.Equal(code, Diagnosis.ExitCodeOf([.. severities.Select(severity => new Finding("check", severity, "found"))]));

    [Fact]
    public void JSON_has_the_worst_severity_the_counts_and_all_findings()
    {
        var json = JsonNode.Parse(Report.AsJson(
            [new Finding("a", Severity.Ok, "well"), new Finding("b", Severity.Error, "ill", "do")], HealthyCluster.Snapshot))!;

        Assert.Equal("error", (string?)json["severity"]);
        Assert.Equal("""{"ok":1,"warning":0,"unknown":0,"error":1}""", json["counts"]!.ToJsonString());
        Assert.Equal(
            """[{"check":"a","severity":"ok","found":"well"},{"check":"b","severity":"error","found":"ill","action":"do"}]""",
            json["findings"]!.ToJsonString());
    }

    [Fact]
    public void A_table_has_what_to_do_below_each_finding_and_colours_only_when_asked()
    {
        Finding[] findings = [new("pods", Severity.Ok, "well"), new("webhook", Severity.Error, "ill", "Do it.")];

        Assert.Equal(
            """
            CHECK    RESULT   FOUND
            pods     ok       well
            webhook  error    ill
                              -> Do it.

            1 ok, 0 warning, 0 unknown, 1 error

            """, Report.AsTable(findings, hasColours: false));
        Assert.Contains("\e[31merror", Report.AsTable(findings, hasColours: true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amqp://kuik:s3cret@kuik-rabbitmq:5672/")]
    [InlineData("Host=db;Password=s3cret;Database=kuik")]
    [InlineData("Host=db;Password = 's3cret'")]
    [InlineData("GET https://r/v2/?token=s3cret&x=1: 401")]
    [InlineData("Authorization: Bearer s3cret-and-more")]
    public void Credentials_are_never_printed(string said)
    {
        Finding[] findings = [new("services", Severity.Error, "it says " + said, "Do it.")];

        Assert.DoesNotContain("s3cret", Report.AsTable(findings, hasColours: false), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", Report.AsJson(findings, HealthyCluster.Snapshot), StringComparison.Ordinal);
    }

    [Fact]
    public void Text_of_a_server_cannot_write_lines_or_move_the_cursor_of_its_own()
    {
        var table = Report.AsTable([new Finding("pods", Severity.Error, "a\nFAKE  ok\e[2J", "Do it.")], hasColours: false);

        Assert.DoesNotContain("\nFAKE", table, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', table);
    }

    [Fact]
    public void The_page_names_every_check()
    {
        var page = File.ReadAllText(Path.Combine(Checkout.Root, "docs/operations/doctor.md"));

        Assert.All(Diagnosis.Checks, check => Assert.Contains($"| `{check.Name}` |", page, StringComparison.Ordinal));
    }

    private static ClusterSnapshot NothingReadable => HealthyCluster.Snapshot with
    {
        Namespaces = HealthyCluster.Forbidden<Namespace>(),
        Nodes = HealthyCluster.Forbidden<Node>(),
        Pods = HealthyCluster.Forbidden<Pod>(),
        PendingPods = HealthyCluster.Forbidden<Pod>(),
        Workloads = HealthyCluster.Forbidden<Workload>(),
        Services = HealthyCluster.Forbidden<Service>(),
        Settings = Reading<IReadOnlyDictionary<string, string>>.Failed("403"),
        Endpoints = Reading<string?>.Failed("403"),
        Webhook = Reading<WebhookConfiguration?>.Failed("403"),
        Certificate = Reading<string?>.Failed("403"),
        CredentialKeys = Reading<IReadOnlyList<string>?>.Failed("403"),
        Claims = HealthyCluster.Forbidden<VolumeClaim>(),
        StorageClasses = HealthyCluster.Forbidden<StorageClass>(),
        Events = HealthyCluster.Forbidden<Event>(),
        Images = HealthyCluster.Forbidden<CachedImage>(),
        RegistryLog = Reading<string>.Failed("403"),
        Answers = [],
        Admission = Reading<Admission>.Failed("403"),
        ImageRules = HealthyCluster.Forbidden<ImageRule>(),
    };
}
