using System.Globalization;
using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Flow;

/// <summary>The metrics of pod-watcher and expiry for an operator's dashboard, as processes.</summary>
public sealed partial class ControlPlaneMetricsTests
{
    private static readonly (string, string?)[] Settings = [("Kuik:ExpiryDelay", "00:00:01"), ("Kuik:RequestLease", "00:00:01")];

    [Fact]
    public async Task The_life_of_a_pod_is_in_the_metrics_of_pod_watcher_and_expiry()
    {
        // Given both at work, and no image-fetcher
        await using var cluster = await ScriptedCluster.Start();
        var watcher = await cluster.StartService("PodWatcher", "readyz", Settings);
        var expiry = await cluster.StartService("Expiry", "readyz", Settings);

        // When a pod comes, nothing copies its image, and the pod goes
        cluster.Kubernetes.AddPod("apps", "web", "registry.example/team/web:1");
        await cluster.UsageIsRight();
        await Shows(expiry, "kuik_expiry_announced", "kind=\"fetch\",outcome=\"returned\"", value => value >= 1);
        await Shows(expiry, "kuik_work_due", "kind=\"fetch\"", value => value >= 0);
        await Shows(watcher, "kuik_watcher_api_writes", "kind=\"CachedImage\",", value => value >= 1);
        cluster.Kubernetes.RemovePod("apps", "web");

        // Then each step is counted where it was made
        await Shows(expiry, "kuik_expiry_decisions", "outcome=\"unused\"", value => value == 1);
        await Shows(watcher, "kuik_watcher_expiry_decisions", "outcome=\"expired\"", value => value == 1);
        await Shows(watcher, "kuik_watcher_recorded", "event=\"PodObserved\"", value => value >= 1);
        await Shows(watcher, "kuik_watcher_recorded", "event=\"PodGone\"", value => value == 1);
        await Shows(watcher, "kuik_watcher_queue_depth", "queue=\"pods\"", value => value == 0);
        await Shows(watcher, "kuik_watcher_queue_failing", "queue=\"pods\"", value => value == 0);
        await Shows(watcher, "kuik_watcher_queue_oldest_seconds", "queue=\"pods\"", value => value == 0);
        await Shows(watcher, "kuik_watcher_observation_age_seconds", "", value => value is >= 0 and < 600);
        await Shows(watcher, "kuik_event_log_transactions", "outcome=\"committed\"", value => value >= 2);
        await Shows(watcher, "kuik_event_log_postgres_away_seconds", "", value => value == 0);
        await Shows(expiry, "kuik_event_log_lag_events", "shard=", value => value == 0);
        await Shows(expiry, "kuik_event_log_lag_seconds", "shard=", value => value >= 0);
    }

    private static async Task Shows(KuikService service, string name, string label, Func<double, bool> isRight)
    {
        var lines = "";
        using var http = new HttpClient { BaseAddress = service.Health };
        try
        {
            await Eventually.True(
                async () =>
                {
                    var metrics = await http.GetStringAsync(new Uri("metrics", UriKind.Relative));
                    lines = string.Join('\n', metrics.Split('\n').Where(line => line.StartsWith(name, StringComparison.Ordinal)));
                    return Sample().Matches(lines).Any(sample =>
                        sample.Groups["name"].Value is var found && (found == name || found == name + "_total")
                        && sample.Groups["labels"].Value.Contains(label, StringComparison.Ordinal)
                        && isRight(double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture)));
                },
                $"{name}{{{label}}} is as expected");
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}: {lines}", late);
        }
    }

    // name{label="value",…} 1.5 [timestamp]
    [GeneratedRegex(@"^(?<name>[a-z_]+)(?:\{(?<labels>[^}]*)\})? (?<value>[-+.eE0-9]+)", RegexOptions.Multiline)]
    private static partial Regex Sample();
}
