using System.Diagnostics;
using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Kuik.Hosting;

namespace Kuik.NodeProxy;

/// <summary>
/// v1's counter under v1's name; the source of each answer, its duration and bytes; and the misses of the other sources. Every label has a
/// bounded number of values; no client can invent one: an origin has a label of its own once something of it was served.
/// </summary>
internal sealed class ProxyMetrics
{
    /// <summary>Traces, when an exporter is configured; otherwise nothing is recorded.</summary>
    public static readonly ActivitySource Traces = new("Kuik.NodeProxy");

    /// <summary>v1's name for its counter.</summary>
    public const string Requests = "kube_image_keeper_proxy_http_requests";

    private readonly BoundedLabels _registries = new(50);
    private readonly Counter<long> _requests;
    private readonly Counter<long> _pulls;
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _saved;
    private readonly Counter<long> _misses;
    private readonly Counter<long> _turnedAway;
    private readonly Counter<long> _reports;
    private readonly Histogram<double> _seconds;
    private readonly UpDownCounter<long> _inFlight;

    public ProxyMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Kuik.NodeProxy");
        meter.CreateObservableGauge("kube_image_keeper_proxy_build_info", BuildInfo.Measure, description: "1, with the build as labels");
        _requests = meter.CreateCounter<long>(Requests, description: "Pull requests by origin, status and whether the cache had it");
        _pulls = meter.CreateCounter<long>("kuik_proxy_pulls", description: "Pull requests by kind of request and source of the answer");
        _bytes = meter.CreateCounter<long>("kuik_proxy_sent_bytes", description: "Bytes of bodies passed on to clients, by source");
        _saved = meter.CreateCounter<long>("kuik_proxy_saved_bytes",
            description: "Bytes of bodies from the cache or from memory that the origin did not have to send, by origin");
        _misses = meter.CreateCounter<long>("kuik_proxy_misses", description: "Requests that a source did not serve, by reason");
        _turnedAway = meter.CreateCounter<long>(
            "kuik_proxy_turned_away", description: "Requests answered without asking a source, by status");
        _reports = meter.CreateCounter<long>(
            "kuik_proxy_pull_reports", description: "Reports of counted pulls to image-fetcher, by outcome");
        _seconds = meter.CreateHistogram("kuik_proxy_seconds", description: "Time from request to the end of the answer",
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
            });
        _inFlight = meter.CreateUpDownCounter<long>("kuik_proxy_in_flight", description: "Pull requests being answered");
    }

    public void Begin() => _inFlight.Add(1);

    public void End() => _inFlight.Add(-1);

    /// <summary>A source did not have it; the reason is one of <see cref="MeteredSource.ReasonOf"/>, or <c>refused</c>.</summary>
    public void Miss(string source, string reason) => _misses.Add(1, new("source", source), new("reason", reason));

    /// <summary>Counts bytes of a body.</summary>
    /// <param name="source">Their source.</param>
    /// <param name="origin">The origin's host.</param>
    /// <param name="bytes">How many; 0 is not counted.</param>
    public void Sent(string source, string origin, long bytes)
    {
        if (bytes <= 0)
            return;
        _bytes.Add(bytes, new KeyValuePair<string, object?>("source", source));
        if (IsHit(source))
            _saved.Add(bytes, new KeyValuePair<string, object?>("registry", _registries.Get(origin, isProven: true)));
    }

    public void Reported(bool isTaken) => _reports.Add(1, new KeyValuePair<string, object?>("outcome", isTaken ? "taken" : "failed"));

    public void TurnedAway(int status) => _turnedAway.Add(1, new KeyValuePair<string, object?>("statusCode", status));

    public void Count(ImageReference image, string kind, int status, PullOutcome outcome, TimeSpan took)
    {
        _requests.Add(1, new("registry", _registries.Get(image.Host, isProven: status < 400)), new("statusCode", status),
            new("cacheHit", IsHit(outcome.Source) ? "true" : "false"));
        _pulls.Add(1, new("kind", kind), new("source", outcome.Source));
        _seconds.Record(took.TotalSeconds, new("kind", kind), new("source", outcome.Source));
    }

    /// <summary>True for the sources that need no origin.</summary>
    public static bool IsHit(string source) => source is "cache" or PullOutcome.Memory;
}
