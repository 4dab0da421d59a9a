using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>v1's counter under v1's name, and who answered. Every label has a bounded number of values.</summary>
internal sealed class ProxyMetrics
{
    /// <summary>Origins with a label of their own; the ones after them are "other".</summary>
    private const int MostRegistries = 50;

    private readonly ConcurrentDictionary<string, string> _registries = new(StringComparer.Ordinal);
    private readonly Counter<long> _requests;
    private readonly Counter<long> _pulls;
    private readonly UpDownCounter<long> _inFlight;

    public ProxyMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.NodeProxy");
        _requests = meter.CreateCounter<long>("kube_image_keeper_proxy_http_requests", description: "Pull requests by origin, status and whether the cache had it");
        _pulls = meter.CreateCounter<long>("kuik_proxy_pulls", description: "Pull requests by what was asked for and who answered");
        _inFlight = meter.CreateUpDownCounter<long>("kuik_proxy_in_flight", description: "Pull requests being answered");
    }

    public void Begin() => _inFlight.Add(1);

    public void End() => _inFlight.Add(-1);

    public void Count(ImageReference image, string kind, int status, PullOutcome outcome)
    {
        _requests.Add(1, new("registry", Label(image.Host)), new("statusCode", status), new("cacheHit", outcome.Source is "cache" or PullOutcome.Memory ? "true" : "false"));
        _pulls.Add(1, new("kind", kind), new("source", outcome.Source));
    }

    private string Label(string host)
    {
        if (_registries.TryGetValue(host, out var known))
            return known;
        return _registries.Count < MostRegistries ? _registries.GetOrAdd(host, host) : "other";
    }
}
