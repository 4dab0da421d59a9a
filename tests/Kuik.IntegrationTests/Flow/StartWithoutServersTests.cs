using System.Text.RegularExpressions;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>A service of the control plane starts before what it needs: it says so once, in one line each, and waits.</summary>
public sealed partial class StartWithoutServersTests
{
    private const string Password = "hunter2-of-the-test";

    [Theory]
    [InlineData("PodWatcher")]
    [InlineData("ImageFetcher")]
    [InlineData("Expiry")]
    public async Task A_service_without_Postgres_and_RabbitMQ_says_so_in_one_line_each_and_goes_on_trying(string project) =>
        await SaysOnceThat(
        ["Postgres", "RabbitMQ"], project, $"Host=127.0.0.1;Port={FreePort.Next()};Database=kuik;Username=kuik;Password={Password}");

    [Fact]
    public async Task A_pod_watcher_without_a_Kubernetes_API_says_so_in_one_line_and_goes_on_trying() => await SaysOnceThat(
        ["Lease", "RabbitMQ"], "PodWatcher", await MigratedDatabase.New());

    private static async Task SaysOnceThat(string[] missing, string project, string postgres)
    {
        var kubeconfig = Path.Combine(Sandbox.Shared.NewFolder("nowhere"), "kubeconfig");
        await File.WriteAllTextAsync(kubeconfig, $$"""
            apiVersion: v1
            kind: Config
            current-context: nowhere
            clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:{{FreePort.Next()}}"} }]
            users: [{name: nobody, user: {token: "{{Password}}"} }]
            contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody} }]
            """, TestContext.Current.CancellationToken);
        var service = await KuikService.Start(project, new KuikServiceOptions
        {
            WaitFor = "healthz",
            Settings = new Dictionary<string, string?>
            {
                ["ConnectionStrings:Postgres"] = postgres,
                ["ConnectionStrings:RabbitMq"] = $"amqp://kuik:{Password}@127.0.0.1:{FreePort.Next()}/kuik",
                ["Kuik:Cache:Endpoint"] = $"http://127.0.0.1:{FreePort.Next()}",
                ["KUBECONFIG"] = kubeconfig,
            },
        });

        foreach (var name in missing)
            await Eventually.True(() => Lines(service, name).Length > 0, $"{project} says that {name} is missing");
        var tries = 0;
        await Eventually.True(() => ++tries > 100, "it has tried for five more seconds");

        Assert.False(service.Process.HasExited);
        foreach (var name in missing)
            Assert.Single(Lines(service, name));
        Assert.DoesNotContain(Password, service.Log, StringComparison.Ordinal);
        Assert.DoesNotMatch(StackTrace(), service.Log);
        await service.Stop();
    }

    private static string[] Lines(KuikService service, string name) =>
        [.. service.Log.Split('\n')
            .Where(line => line.Contains(" WARN ", StringComparison.Ordinal) && line.Contains(name, StringComparison.Ordinal))];

    [GeneratedRegex(@"^ +at [A-Z]\S+\(", RegexOptions.Multiline)]
    private static partial Regex StackTrace();
}
