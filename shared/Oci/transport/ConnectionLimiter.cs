using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Kuik.Oci;

/// <summary>
/// Limits the requests that are under way at one place (scheme, host and port) at a time, first come first served. The pool of connections
/// itself has no limit, so a request that has been let in gets a connection at once: waiting for one is not the registry's silence.
/// </summary>
/// <param name="use">For the metrics: <c>body</c> or <c>question</c>.</param>
/// <param name="perPlace">Requests at a time; at least 1.</param>
internal sealed class ConnectionLimiter(string use, int perPlace)
{
    private static readonly Meter Metrics = new("Kuik.Oci");

    private static readonly Histogram<double> Waits = Metrics.CreateHistogram(
        "kuik_registry_connection_wait_seconds", "s", "How long a request to a registry waited for a connection.", tags: null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.01, 0.1, 1, 5, 10, 30, 60, 300] });

    private static readonly UpDownCounter<long> Waiting = Metrics.CreateUpDownCounter<long>(
        "kuik_registry_connection_waiting", description: "Requests to registries that wait for a connection.");

    private readonly KeyValuePair<string, object?> _use = new("use", use);
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Scheme, string Authority), Place> _places = [];

    /// <summary>Waits, as long as it takes, until a request may begin.</summary>
    /// <param name="address">The address of the request.</param>
    /// <param name="ct">Ends the waiting.</param>
    /// <returns>To be disposed of when the answer has been read.</returns>
    public async ValueTask<IDisposable> Acquire(Uri address, CancellationToken ct)
    {
        var lease = new Lease(this, Enter((address.Scheme, address.Authority)));
        if (lease.Place.Free.Wait(0, CancellationToken.None))
            Waits.Record(0, _use);
        else
            await Wait(lease, ct);
        return lease;
    }

    private async Task Wait(Lease lease, CancellationToken ct)
    {
        var begun = Stopwatch.GetTimestamp();
        Waiting.Add(1, _use);
        try
        {
            await lease.Place.Free.WaitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            Leave(lease.Place);
            throw;
        }
        finally
        {
            Waiting.Add(-1, _use);
            Waits.Record(Stopwatch.GetElapsedTime(begun).TotalSeconds, _use);
        }
    }

    private Place Enter((string, string) key)
    {
        lock (_lock)
        {
            if (!_places.TryGetValue(key, out var place))
                _places.Add(key, place = new Place(key, new SemaphoreSlim(perPlace)));
            place.Users++;
            return place;
        }
    }

    private void Leave(Place place)
    {
        lock (_lock)
            if (--place.Users == 0)
                _places.Remove(place.Key);   // names come from requests: only those in use are kept
    }

    private sealed class Place((string, string) key, SemaphoreSlim free)
    {
        public (string, string) Key => key;

        public SemaphoreSlim Free => free;

        /// <summary>Requests under way or waiting.</summary>
        public int Users { get; set; }
    }

    private sealed class Lease(ConnectionLimiter limiter, Place place) : IDisposable
    {
        private int _isDisposed;

        public Place Place => place;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
                return;
            place.Free.Release();
            limiter.Leave(place);
        }
    }
}
