using System.Threading.RateLimiting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Bounds how many manifests are read from origins at once, each of which may take 4 MiB and more of memory. Waiting callers are served
/// first come, first served
/// within a host, and a slow host does not delay the others: a host without a read under way may start one beyond <see cref="MaxShared"/>.
/// A client of a waiting pull is answered 202 meanwhile (see <see cref="PullThrough"/>).
/// </summary>
/// <remarks>The turn of a host is taken before the place in the process: a host that waits for its own reads holds no place.</remarks>
internal sealed class ManifestReadLimiter(TimeProvider time, EngineMetrics metrics) : IDisposable
{
    /// <summary>Reads at a time that all hosts share.</summary>
    public const int MaxShared = 16;

    /// <summary>Reads at a time of one host.</summary>
    public const int MaxPerHost = 8;

    /// <summary>Reads at a time in the process, whatever the number of hosts: the bound of the memory, 256 MiB of manifests.</summary>
    public const int MaxTotal = 64;

    /// <summary>
    /// Reads that wait for a place in the process; a further one fails. Each host has at most one read among them beyond the shared ones.
    /// </summary>
    public const int MaxQueued = 10_000;

    /// <summary>
    /// Time limit of one read, from its turn to the last byte. An origin that sends a byte a minute would hold its place for years.
    /// </summary>
    public static readonly TimeSpan ReadLimit = TimeSpan.FromMinutes(5);

    private readonly PerHostLimiter _hosts = new(MaxShared, MaxPerHost);
    private readonly ConcurrencyLimiter _total = new(new()
    {
        PermitLimit = MaxTotal,
        QueueLimit = MaxQueued,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    /// <summary>Reads a manifest when it is its turn.</summary>
    /// <param name="host">The origin's, as references name it.</param>
    /// <param name="read">Cancelled when it takes longer than <see cref="ReadLimit"/>.</param>
    /// <param name="ct">Ends the wait and the read.</param>
    /// <exception cref="CopyException">The read took too long, or too many wait already. What <paramref name="read"/> throws
    /// propagates.</exception>
    public async Task<T> Run<T>(string host, Func<CancellationToken, Task<T>> read, CancellationToken ct)
    {
        var (turn, place) = await metrics.While("manifest", () => Enter(host, ct));
        using (turn)
        using (place)
        {
            using var limit = new CancellationTokenSource(ReadLimit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, ct);
            try
            {
                return await read(either.Token);
            }
            catch (OperationCanceledException e) when (limit.IsCancellationRequested && !ct.IsCancellationRequested)
            {
                throw new CopyException(
                    CopyException.Unreachable, $"{host} did not send a manifest within {ReadLimit.TotalMinutes:0} min", retryHelps: true,
                    inner: e);
            }
        }
    }

    public void Dispose() => _total.Dispose();

    private async Task<(IDisposable Turn, RateLimitLease Place)> Enter(string host, CancellationToken ct)
    {
        var turn = await _hosts.Enter(host, ct);
        try
        {
            var place = await _total.AcquireAsync(1, ct);
            return place.IsAcquired
                ? (turn, place)
                : throw new CopyException(
                    CopyException.Internal,
                    $"image-fetcher reads {MaxTotal} manifests and {MaxQueued} wait: the manifest of {host} is not read now",
                    retryHelps: true);
        }
        catch
        {
            turn.Dispose();
            throw;
        }
    }
}
