using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

/// <summary><c>kuik doctor</c> on an installation that runs.</summary>
[Collection(nameof(ClusterCollection))]
public sealed class DoctorTests(Cluster cluster)
{
    private static readonly string Tool = FindTool();

    [Fact]
    public async Task Of_an_installation_that_is_well_it_says_so_and_ends_with_0()
    {
        await cluster.Kuik.Ready();

        var run = await DiagnoseUntil(run => run.ExitCode == 0 && Found(run).All(finding => finding.Severity == "ok"));

        Assert.Equal(15, Found(run).Select(finding => finding.Check).Distinct().Count());
    }

    [Fact]
    public async Task Every_metric_that_it_reads_is_on_a_scrape()
    {
        await cluster.Kuik.Ready();
        string[] metrics =
        [
            "kuik_event_log_lag_seconds", "kuik_watcher_queue_oldest_seconds", "kuik_watcher_observation_age_seconds",
            "kuik_spool_full_seconds", "kuik_work_overdue",
        ];

        // A service that has just started has not measured everything yet.
        await Eventually.True(
            async () =>
            {
                var scrapes = "";
                foreach (var component in (string[])["pod-watcher", "image-fetcher", "expiry"])
                    scrapes += await Scrape(component);
                return metrics.All(metric => scrapes.Contains($"\n{metric}{{", StringComparison.Ordinal));
            },
            $"a scrape has {string.Join(", ", metrics)}");
    }

    [Fact]
    public async Task Without_a_node_proxy_it_is_an_error_that_pods_are_rewritten_and_without_the_webhook_a_warning()
    {
        await cluster.Kuik.Ready();
        try
        {
            await cluster.Kuik.RunOnNoNode("kuik-node-proxy");

            var broken = await DiagnoseUntil(run => Has(run, "data-path", "error"));
            Assert.Equal(1, broken.ExitCode);

            await cluster.Kuik.StopRewriting();
            var stopped = await DiagnoseUntil(run => Has(run, "webhook", "warning") && Has(run, "data-path", "warning"));
            Assert.Equal(0, stopped.ExitCode);
        }
        finally
        {
            await cluster.Kuik.ApplyAgain();
        }
        await DiagnoseUntil(run => run.ExitCode == 0 && Found(run).All(finding => finding.Severity == "ok"));
    }

    [Fact]
    public async Task A_registry_that_is_scaled_to_nothing_is_an_error_and_image_fetcher_says_that_it_lacks_it()
    {
        await cluster.Kuik.Ready();
        await cluster.Kuik.Scale("statefulset/kuik-registry", 0);
        try
        {
            var run = await DiagnoseUntil(run => Has(run, "installation", "error") && Has(run, "services", "warning"));
            Assert.Equal(1, run.ExitCode);
        }
        finally
        {
            await cluster.Kuik.Scale("statefulset/kuik-registry", 1);
        }
        await DiagnoseUntil(run => run.ExitCode == 0);
    }

    /// <summary>Runs it until its findings are as they should be: what services and the API say of a change comes seconds later.</summary>
    private static async Task<ToolResult> DiagnoseUntil(Func<ToolResult, bool> isExpected)
    {
        ToolResult? run = null;
        try
        {
            await Eventually.True(
                async () => isExpected(run = await RunTool.Try(Tool, ["doctor", "--output", "json"])),
                "doctor finds it", TimeSpan.FromMinutes(3));
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}: exit code {run?.ExitCode}, {run?.Output} {run?.Errors}", late);
        }
        return run!;
    }

    private static bool Has(ToolResult run, string check, string severity) =>
        Found(run).Any(finding => finding.Check == check && finding.Severity == severity);

    private static IReadOnlyList<(string Check, string Severity)> Found(ToolResult run) => run.Output.Length == 0 ? [] :
    [
        .. JsonNode.Parse(run.Output)!["findings"]!.AsArray().Select(finding => ((string)finding!["check"]!, (string)finding["severity"]!)),
    ];

    private async Task<string> Scrape(string component)
    {
        var pod = Assert.Single(await cluster.Kuik.Pods(component))["pod/".Length..];
        return await cluster.Kubernetes.Kubectl("get", "--raw", $"/api/v1/namespaces/kuik-system/pods/http:{pod}:8080/proxy/metrics");
    }

    private static string FindTool()
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(own.Parent!.Parent!.FullName, "CommandLine", own.Name, "kuik");
    }
}
