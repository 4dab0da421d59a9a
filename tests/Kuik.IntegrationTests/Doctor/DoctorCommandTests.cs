using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Doctor;

/// <summary><c>kuik doctor</c> as a process, on a real kube-apiserver that calls the real webhook.</summary>
public sealed class DoctorCommandTests(DoctorWorld world) : IClassFixture<DoctorWorld>
{
    /// <summary>The parts that need a kubelet, which does not run here: the services and the registry.</summary>
    private static readonly string[] NeedRunningPods = ["services", "registry", "backlog"];

    [Fact]
    public async Task Where_nothing_is_wrong_only_what_does_not_run_here_is_unknown()
    {
        var (exitCode, findings) = await world.Diagnose();

        Assert.All(findings, check => Assert.All(check, one => Assert.True(
            one.Severity == (NeedRunningPods.Contains(check.Key) ? "unknown" : "ok"), $"{check.Key}: {one.Severity} {one.Found}")));
        Assert.Equal((3, 15), (exitCode, findings.Count));
        Assert.Equal("the API server reaches it: a pod in default was sent to it", findings["webhook"].Single().Found);
    }

    [Fact]
    public async Task What_is_broken_is_an_error_and_exit_code_1_in_both_outputs()
    {
        await world.WriteBundle(new CertificateAuthority("another"));
        await world.Api.Apply("""
            {"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"slow"},"provisioner":"none.example.com"}
            """);
        await world.Api.Apply("""
            {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data-kuik-registry-0","namespace":"kuik-system"},
             "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}
            """);
        try
        {
            await world.UntilWebhookIs("error");   // no longer trusted
            var (exitCode, findings) = await world.Diagnose();
            var table = await world.Run("doctor");

            Assert.Equal((1, 1), (exitCode, table.ExitCode));
            var broken = findings.Where(check => check.Any(one => one.Severity == "error")).Select(check => check.Key).Order();
            Assert.Equal(["volumes", "webhook", "webhook-certificate"], broken);
            Assert.Contains("no default StorageClass", findings["volumes"].Single().Found, StringComparison.Ordinal);
            Assert.Contains("-> Make one the default (slow)", table.Output, StringComparison.Ordinal);
            Assert.DoesNotContain('\e', table.Output);
        }
        finally
        {
            await world.WriteBundle();
            await world.UntilWebhookIs("ok");
            const string unprotected = """{"metadata":{"finalizers":null}}""";   // no controller runs here that would end its protection
            string[] claim = ["pvc", "data-kuik-registry-0", "-n", "kuik-system"];
            await world.Api.Kubectl(["patch", .. claim, "--type=merge", "-p", unprotected]);
            await world.Api.Kubectl(["delete", .. claim]);
        }
    }

    [Fact]
    public async Task The_rights_of_the_page_are_enough_and_without_them_nothing_is_ok()
    {
        var admin = await world.Run("doctor", "--output", "json");
        var granted = await DoctorWorld.RunWith(await world.NewAccount("doctor", hasRights: true), "doctor", "--output", "json");
        var bare = await DoctorWorld.RunWith(await world.NewAccount("nothing", hasRights: false), "doctor", "--output", "json");

        Assert.Equal(FindingsOf(admin), FindingsOf(granted));
        Assert.Equal((3, 3), (granted.ExitCode, bare.ExitCode));
        Assert.Equal(["unknown"], JsonNode.Parse(bare.Output)!["findings"]!.AsArray().Select(one => (string?)one!["severity"]).Distinct());
    }

    [Fact]
    public async Task Credentials_are_in_no_output()
    {
        ToolResult[] runs = [await world.Run("doctor"), await world.Run("doctor", "--output", "json")];

        Assert.All(runs, run => Assert.DoesNotContain(DoctorWorld.Password, run.Output + run.Errors, StringComparison.Ordinal));
        Assert.All(runs, run => Assert.DoesNotContain("PRIVATE KEY", run.Output + run.Errors, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_is_left_in_the_cluster()
    {
        await world.Run("doctor");

        Assert.Equal("", (await world.Api.Kubectl("get", "pods", "-n", "default", "-o", "name")).Trim());
    }

    [Fact]
    public async Task An_API_server_that_does_not_answer_is_one_line_and_exit_code_70()
    {
        var run = await DoctorWorld.RunWith(await Kubeconfig($"https://127.0.0.1:{FreePort.Next()}"), "doctor", "--output", "json");

        Assert.Equal((70, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("kuik: ", Assert.Single(run.Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_that_the_API_server_refuses_are_one_line_and_exit_code_70()
    {
        var server = (await world.Api.Kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}")).Trim();

        var run = await DoctorWorld.RunWith(await Kubeconfig(server), "doctor");

        Assert.Equal((70, ""), (run.ExitCode, run.Output));
        Assert.Contains("401", Assert.Single(run.Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "doctor", "--nonsense")]
    [InlineData(2, "doctor", "--output", "xml")]
    [InlineData(2, "nonsense")]
    [InlineData(2)]
    [InlineData(70, "doctor", "--kubeconfig", "/nonexistent/kubeconfig")]
    [InlineData(0, "--help")]
    [InlineData(0, "doctor", "--help")]
    public async Task Command_lines_end_with_the_exit_codes_that_help_states(int exitCode, params string[] arguments)
    {
        var run = await world.Run(arguments);

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Equal(exitCode == 0 && arguments is ["doctor", ..],
            run.Output.Contains("70  the cluster cannot be reached", StringComparison.Ordinal) && run.Errors.Length == 0);
    }

    [Fact]
    public async Task It_runs_by_the_name_by_which_kubectl_finds_it()
    {
        var folder = Directory.CreateTempSubdirectory("kuik-plugin-");
        try
        {
            File.CreateSymbolicLink(Path.Combine(folder.FullName, "kubectl-kuik"), DoctorWorld.Tool);
            var environment = new Dictionary<string, string?>
            {
                ["PATH"] = $"{folder.FullName}:{Environment.GetEnvironmentVariable("PATH")}",
                ["KUBECONFIG"] = world.Api.Kubeconfig,
            };

            var run = await RunTool.Try(KubectlProgram.Path, ["kuik", "doctor", "--output", "json"], environment);

            Assert.Equal("kuik-system", (string?)JsonNode.Parse(run.Output)!["namespace"]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string FindingsOf(ToolResult run) => JsonNode.Parse(run.Output)!["findings"]!.ToJsonString();

    private static async Task<string> Kubeconfig(string server)
    {
        var file = Path.Combine(Sandbox.Shared.NewFolder("doctor"), "kubeconfig");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Config
            current-context: kuik
            clusters: [{name: kuik, cluster: {server: "{{server}}", insecure-skip-tls-verify: true} }]
            users: [{name: kuik, user: {token: not-a-token} }]
            contexts: [{name: kuik, context: {cluster: kuik, user: kuik} }]
            """);
        return file;
    }
}
