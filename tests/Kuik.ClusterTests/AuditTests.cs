using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.ClusterTests;

/// <summary>The audit API through the API server's proxy, asked by ServiceAccounts.</summary>
[Collection(nameof(ClusterCollection))]
public sealed class AuditTests(Cluster cluster)
{
    private static readonly DirectoryInfo Own = new(AppContext.BaseDirectory);

    private static readonly string Tool = Path.Combine(Own.Parent!.Parent!.FullName, "CommandLine", Own.Name, "kuik");

    [Fact]
    public async Task An_account_without_the_right_is_refused_and_one_with_it_sees_history_and_replay()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var image = await cluster.Origin.Push("audit/app", "1", TestImage.Runnable(cluster.Seed()));
        await cluster.Run(space, "web", image);
        await cluster.WaitUntilCached(image);
        var (stranger, reader) = (await NewAccount(space, "stranger"), await NewAccount(space, "reader"));
        await cluster.Kubernetes.Kubectl(
            "create", "clusterrolebinding", $"{space}-reader", "--clusterrole=kuik-audit-reader", $"--serviceaccount={space}:reader");

        var refused = await Ask(stranger, "history", image);
        var history = await Answer(reader, "history", image);
        var replay = await Answer(reader, "replay");

        Assert.Equal((70, ""), (refused.ExitCode, refused.Output));
        Assert.Contains("403", refused.Errors, StringComparison.Ordinal);
        Assert.Contains(history["events"]!.AsArray(), line => (string?)line!["event"] == "ImageCached");
        var row = Assert.Single(replay["images"]!.AsArray(), one => (string?)one!["image"] == image);
        Assert.Equal("Cached", (string?)row!["phase"]);
        Assert.Contains(replay["users"]!.AsArray(), user => ((string?)user!["namespace"], (string?)user["name"]) == (space, "web"));
    }

    [Fact]
    public async Task The_way_alone_is_refused_by_the_audit_API_and_a_right_in_a_namespace_shows_that_namespace()
    {
        await cluster.Kuik.Ready();
        var space = await cluster.NewNamespace();
        var image = await cluster.Origin.Push("audit/scoped", "1", TestImage.Runnable(cluster.Seed()));
        await cluster.Run(space, "web", image);
        await cluster.WaitUntilCached(image);
        var account = await NewAccount(space, "tenant");
        await cluster.Kubernetes.Kubectl(
            "create", "rolebinding", space, "-n", "kuik-system", "--role=kuik-audit-proxy", $"--serviceaccount={space}:tenant");

        var refused = await Ask(account, "who", image);
        await cluster.Kubernetes.Kubectl(
            "create", "rolebinding", "tenant", "-n", space, "--clusterrole=kuik-audit-reader", $"--serviceaccount={space}:tenant");

        Assert.Contains(
            $"system:serviceaccount:{space}:tenant has no right to get audits.kuik.enix.io", refused.Errors, StringComparison.Ordinal);
        var users = await Answer(account, "who", image, "--scope", space);
        Assert.Equal("web", (string?)Assert.Single(users["users"]!.AsArray())!["name"]);
    }

    /// <summary>Asks until there is an answer: a right that was refused a moment ago is looked up again after ten seconds.</summary>
    private static async Task<JsonNode> Answer(string kubeconfig, params string[] question)
    {
        ToolResult? run = null;
        try
        {
            await Eventually.True(async () => (run = await Ask(kubeconfig, question)).ExitCode == 0, "the audit API answers",
                TimeSpan.FromMinutes(2));
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}: exit code {run?.ExitCode}, {run?.Output} {run?.Errors}", late);
        }
        return JsonNode.Parse(run!.Output)!;
    }

    private static Task<ToolResult> Ask(string kubeconfig, params string[] question) => RunTool.Try(
        Tool, [.. question, "--output", "json", "--server", "cluster"], new Dictionary<string, string?> { ["KUBECONFIG"] = kubeconfig });

    /// <summary>A kubeconfig of a new ServiceAccount without rights.</summary>
    private async Task<string> NewAccount(string space, string name)
    {
        await cluster.Kubernetes.Kubectl("create", "serviceaccount", name, "-n", space);
        var token = await cluster.Kubernetes.Kubectl("create", "token", name, "-n", space);
        var (server, authority) = (await OfCluster("server"), await OfCluster("certificate-authority-data"));
        var file = Path.Combine(Directory.CreateTempSubdirectory("kuik-audit-").FullName, "kubeconfig");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Config
            current-context: it
            clusters: [{name: it, cluster: {server: "{{server}}", certificate-authority-data: "{{authority}}"} }]
            users: [{name: it, user: {token: "{{token.Trim()}}"} }]
            contexts: [{name: it, context: {cluster: it, user: it} }]
            """);
        return file;
    }

    private async Task<string> OfCluster(string field) => (await cluster.Kubernetes.Kubectl(
        "config", "view", "--raw", "--flatten", "-o", $"jsonpath={{.clusters[0].cluster.{field}}}")).Trim();
}
