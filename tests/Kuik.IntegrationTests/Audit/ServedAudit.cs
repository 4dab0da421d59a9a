using System.Net;
using System.Net.Http.Headers;
using Kuik.IntegrationTests.PodWatcher;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Audit;

/// <summary>expiry with the audit API of a log, as its ServiceAccount.</summary>
internal sealed class ServedAudit : IAsyncDisposable
{
    private static int Accounts;

    private readonly Cluster _cluster;
    private readonly HttpClient _http = new();

    private ServedAudit(Cluster cluster, KuikService expiry) => (_cluster, Expiry) = (cluster, expiry);

    public KuikService Expiry { get; }

    public static async Task<ServedAudit> Start(Cluster cluster, string database) => new(cluster, await KuikService.Start("Expiry",
        new KuikServiceOptions
        {
            Settings = new Dictionary<string, string?>
            {
                ["ConnectionStrings:Postgres"] = database,
                ["ConnectionStrings:RabbitMq"] = await (await RabbitMq.Shared()).NewVirtualHost(),
                ["KUBECONFIG"] = cluster.ExpiryKubeconfig,
                ["Kuik:Audit:Api"] = "true",
                ["Kuik:SweepInterval"] = "01:00:00",   // the log stays as the tests have made it
            },
        }));

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Expiry.Stop();
    }

    /// <summary>A token of a new ServiceAccount without rights.</summary>
    public async Task<(string Account, string Token)> NewAccount()
    {
        var account = $"auditor-{Interlocked.Increment(ref Accounts)}";
        await _cluster.Api.Kubectl("create", "serviceaccount", account, "-n", "apps");
        return (account, (await _cluster.Api.Kubectl("create", "token", account, "-n", "apps")).Trim());
    }

    /// <summary>A token of a new ServiceAccount that the shipped ClusterRole is bound to.</summary>
    /// <param name="space">In this namespace; null for the whole cluster.</param>
    public async Task<string> NewReader(string? space = null)
    {
        var (account, token) = await NewAccount();
        string[] binding = space is null ? ["clusterrolebinding", account] : ["rolebinding", account, "-n", space];
        await _cluster.Api.Kubectl(
            ["create", .. binding, "--clusterrole=kuik-audit-reader", $"--serviceaccount=apps:{account}"]);
        return token;
    }

    /// <summary>Asks a question.</summary>
    public async Task<(HttpStatusCode Status, string Body)> Ask(string question, string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Expiry.Endpoint, $"audit/v1/{question}"));
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _http.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
