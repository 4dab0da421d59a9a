using System.Diagnostics.Metrics;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The metrics of the engine's waits, downloads and spool, on the meter <c>Kuik.ImageFetcher</c>.</summary>
internal sealed class EngineMetrics
{
    private readonly TimeProvider _time;
    private readonly Meter _meter;
    private readonly Histogram<double> _waits;
    private readonly UpDownCounter<long> _waiting;
    private readonly UpDownCounter<long> _downloads;
    private readonly Counter<long> _sourcesLeft;
    private readonly Counter<long> _inMemory;
    private readonly Counter<long> _joins;
    private readonly Counter<long> _forwards;

    public EngineMetrics(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        _meter = meters.Create("Kuik.ImageFetcher");
        _waits = _meter.CreateHistogram<double>("kuik_fetcher_wait", "s", "Waits that ended, by what was waited for: turn or manifest");
        _waiting = _meter.CreateUpDownCounter<long>("kuik_fetcher_waiting", description: "Waits under way, by what is waited for");
        _downloads = _meter.CreateUpDownCounter<long>("kuik_fetcher_downloads",
            description: "Blobs that are arriving, by source: origin or peer");
        _sourcesLeft = _meter.CreateCounter<long>("kuik_fetcher_sources_left",
            description: "Sources of a blob that were left or failed, by source and reason");
        _inMemory = _meter.CreateCounter<long>("kuik_spool_in_memory",
            description: "Blobs that went through memory because the spool's disk took no file");
        _joins = _meter.CreateCounter<long>("kuik_fetcher_joins", description: "Requests that joined work under way, by work");
        _forwards = _meter.CreateCounter<long>("kuik_fetcher_forwards", description: "Pulls passed on to another replica, by outcome");
    }

    /// <summary>Awaits work, and records the wait.</summary>
    /// <param name="what">A fixed word: <c>turn</c> or <c>manifest</c>.</param>
    /// <param name="wait">Starts the work.</param>
    public async Task<T> While<T>(string what, Func<Task<T>> wait)
    {
        var tag = KeyValuePair.Create<string, object?>("for", what);
        var started = _time.GetTimestamp();
        _waiting.Add(1, tag);
        try
        {
            return await wait();
        }
        finally
        {
            _waiting.Add(-1, tag);
            _waits.Record(_time.GetElapsedTime(started).TotalSeconds, tag);
        }
    }

    /// <summary>Counts a running download until the result is disposed.</summary>
    public IDisposable BeginDownload(bool isPeer)
    {
        var tag = KeyValuePair.Create<string, object?>("source", isPeer ? "peer" : "origin");
        _downloads.Add(1, tag);
        return new Ended(() => _downloads.Add(-1, tag));
    }

    /// <summary>Counts a source that is no longer used for a blob.</summary>
    /// <param name="source"><c>origin</c> or <c>peer</c>.</param>
    /// <param name="reason"><c>slow</c>, <c>rate</c>, <c>break</c>, <c>digest</c>, or a kind of <see cref="CopyException"/>.</param>
    public void CountSourceLeft(string source, string reason) =>
        _sourcesLeft.Add(1, KeyValuePair.Create<string, object?>("source", source), KeyValuePair.Create<string, object?>("reason", reason));

    /// <summary>Counts a blob that is kept in memory because the spool's disk took no file.</summary>
    public void CountInMemory() => _inMemory.Add(1);

    /// <summary>Counts a request that joined running work.</summary>
    public void CountJoin(string work) => _joins.Add(1, KeyValuePair.Create<string, object?>("work", work));

    /// <summary>Counts a pull that was forwarded to another replica.</summary>
    public void CountForward(string outcome) => _forwards.Add(1, KeyValuePair.Create<string, object?>("outcome", outcome));

    /// <summary>Adds the gauges of a spool.</summary>
    public void Watch(Spool spool)
    {
        _meter.CreateObservableGauge("kuik_spool_used", () => spool.Use.Used, "By", "Bytes of the spool that are taken");
        _meter.CreateObservableGauge("kuik_spool_limit", () => spool.Use.Limit, "By", "Kuik:Fetch:SpoolLimit");
        _meter.CreateObservableGauge("kuik_spool_blobs", () => spool.Use.Blobs, description: "Blobs in the spool");
        _meter.CreateObservableGauge("kuik_spool_full", () => spool.Use.FullFor?.TotalSeconds ?? 0, "s",
            "How long no blob could grow; 0 while one can");
    }

    /// <summary>Adds the gauge of the oldest running work.</summary>
    public void Watch(WorkWatchdog watchdog) =>
        _meter.CreateObservableGauge("kuik_fetcher_oldest_work", () => watchdog.Oldest?.Age.TotalSeconds ?? 0, "s",
            "Age of the oldest work without progress");

    private sealed class Ended(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
