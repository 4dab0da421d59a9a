using System.Globalization;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>One series that Prometheus has, with its newest value.</summary>
/// <param name="Labels">Its labels; the name of the metric is <c>__name__</c>.</param>
/// <param name="Value">The value.</param>
public sealed record PrometheusSeries(IReadOnlyDictionary<string, string> Labels, double Value);

/// <summary>A real Prometheus that scrapes processes of this machine every second.</summary>
public sealed class Prometheus : IAsyncDisposable
{
    private readonly HttpClient http;
    private ServerProcess? process;

    private Prometheus(int port) => http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };

    /// <summary>Starts one and waits until it answers.</summary>
    /// <param name="targets">The addresses whose <c>/metrics</c> it scrapes, by the value of their label <c>job</c>.</param>
    /// <exception cref="ServerFailedException">It ended or is not ready in time; the message holds the last lines of its log.</exception>
    public static async Task<Prometheus> Start(IEnumerable<(string Job, Uri Address)> targets)
    {
        var folder = Sandbox.Shared.NewFolder("prometheus");
        var configuration = Path.Combine(folder, "prometheus.yml");
        await File.WriteAllTextAsync(configuration, $$"""
            global: { scrape_interval: 1s, scrape_timeout: 1s }
            scrape_configs:
            {{string.Join('\n', targets.GroupBy(target => target.Job).Select(job => $$"""
              - job_name: {{job.Key}}
                static_configs: [{ targets: [{{string.Join(", ", job.Select(target => $"'{target.Address.Authority}'"))}}] }]
            """))}}

            """);
        var prometheus = new Prometheus(FreePort.Next());
        prometheus.process = ServerProcess.Start(Sandbox.Shared, "prometheus", folder, new ServerCommand("prometheus",
            $"--config.file={configuration}", $"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=1h",
            $"--web.listen-address={prometheus.http.BaseAddress!.Authority}"));
        await prometheus.process.WaitUntil(async ct =>
        {
            using var answer = await prometheus.http.GetAsync(new Uri("-/ready", UriKind.Relative), ct);
            return answer.IsSuccessStatusCode;
        });
        return prometheus;
    }

    /// <summary>Ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await process!.Stop();
    }

    /// <summary>Waits until the answer to an instant query is as expected.</summary>
    /// <exception cref="TimeoutException">It is not in time; the message has the last answer.</exception>
    public async Task Shows(string query, Func<IReadOnlyList<PrometheusSeries>, bool> isRight)
    {
        IReadOnlyList<PrometheusSeries> series = [];
        try
        {
            await Eventually.True(async () => isRight(series = await Query(query)), $"{query} is as expected");
        }
        catch (TimeoutException late)
        {
            var found = series.Select(one => $"{string.Join(',', one.Labels.Select(label => $"{label.Key}={label.Value}"))} {one.Value}");
            throw new TimeoutException($"{late.Message}: {string.Join("; ", found)}", late);
        }
    }

    /// <summary>The answer to an instant query; a scalar has no labels.</summary>
    /// <param name="query">PromQL, for example <c>sum by (job) (up)</c>.</param>
    public async Task<IReadOnlyList<PrometheusSeries>> Query(string query)
    {
        var answer = await http.GetStringAsync(new Uri($"api/v1/query?query={Uri.EscapeDataString(query)}", UriKind.Relative));
        return [.. JsonNode.Parse(answer)!["data"]!["result"]!.AsArray().Select(series => new PrometheusSeries(
            series!["metric"]!.AsObject().ToDictionary(label => label.Key, label => (string)label.Value!),
            double.Parse((string)series["value"]![1]!, CultureInfo.InvariantCulture)))];
    }
}
