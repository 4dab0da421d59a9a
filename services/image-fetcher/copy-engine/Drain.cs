using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The shutdown of a replica. It accepts no new work and continues the running downloads for <c>Kuik:Fetch:DrainLimit</c>; then the next
/// replica takes over each blob that is not in the cache yet: it reads the bytes that have arrived from here and the rest from the origin.
/// </summary>
internal sealed partial class Drain(Spool spool, RendezvousRing owners, OwnerClient ask, TimeSpan limit, TimeProvider time,
    ILogger<Drain> logger)
{
    /// <summary>The time for shutdown beyond the limit.</summary>
    public static readonly TimeSpan LastSteps = TimeSpan.FromSeconds(30);

    /// <summary>How long to wait for a successor to begin reading, and then to finish.</summary>
    private static readonly (TimeSpan Begin, TimeSpan Read) SuccessorPatience = (TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(8));

    /// <summary>How long to wait for responses to successors to end after their last byte.</summary>
    private static readonly TimeSpan LastAnswers = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<Request, bool> _requests = new();

    /// <summary>
    /// Counts a request until the result is disposed. During shutdown each response closes its connection, so that the next
    /// request reaches another replica.
    /// </summary>
    public IDisposable Begin(HttpContext http)
    {
        http.Response.OnStarting(() =>
        {
            if (owners.IsDraining)
                http.Response.Headers.Connection = "close";
            return Task.CompletedTask;
        });
        var request = new Request(
            this, http.Features.GetRequiredFeature<IHttpResponseFeature>(),
            http.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>());
        _requests[request] = true;
        return request;
    }

    /// <summary>Stops accepting work, and returns when nothing is running or everything has been handed over.</summary>
    /// <param name="ct">Ends it at once.</param>
    public async Task Complete(CancellationToken ct)
    {
        owners.IsDraining = true;
        var started = time.GetTimestamp();
        using var look = new PeriodicTimer(Look, time);
        while (spool.Unfinished.Count > 0 || !_requests.IsEmpty)
        {
            if (time.GetElapsedTime(started) >= limit)
            {
                var left = spool.Unfinished;
                LogHandingOver(left.Count);
                await Task.WhenAll(left.Select(blob => HandOver(blob, ct)));
                return;
            }
            await look.WaitForNextTickAsync(ct);
        }
    }

    /// <summary>
    /// Aborts responses that have begun and do not end within a second, including those relayed from another replica or from the cache: the
    /// host would wait for them. A response that has not begun is sent within a second.
    /// </summary>
    public async Task CutRequests(CancellationToken ct)
    {
        await Eventually(() => _requests.IsEmpty, LastAnswers, ct);
        foreach (var request in _requests.Keys)
            request.CutIfStarted();
    }

    private async Task HandOver(SpooledBlob blob, CancellationToken ct)
    {
        if (blob.First.Wanted is not { } wanted)
            return;
        foreach (var successor in await owners.Others(blob.Digest, most: int.MaxValue - 1, ct))
            try
            {
                await ask.HandOver(successor, wanted, ct).WaitAsync(SuccessorPatience.Begin, time, ct);
                await Eventually(() => blob.Peers > 0 || blob.IsStored, SuccessorPatience.Begin, ct);
                await blob.Stopping.CancelAsync();   // the bytes that have arrived stay readable
                await Eventually(() => blob.Peers == 0, SuccessorPatience.Read, ct);
                return;
            }
            catch (Exception e) when (e is ReplicaUnreachableException or TimeoutException)
            {
                LogRefused(blob.Digest, successor, e.Message);
            }
    }

    private async Task Eventually(Func<bool> condition, TimeSpan patience, CancellationToken ct)
    {
        var started = time.GetTimestamp();
        using var look = new PeriodicTimer(Look, time);
        while (!condition() && time.GetElapsedTime(started) < patience)
            await look.WaitForNextTickAsync(ct);
    }

    [LoggerMessage(LogLevel.Information, "Drain limit reached: {Count} blobs are handed over to other replicas")]
    private partial void LogHandingOver(int count);

    [LoggerMessage(LogLevel.Warning, "Handover of blob {Digest} to {Successor} failed: {Reason}")]
    private partial void LogRefused(string digest, Uri successor, string reason);

    // The features belong to the connection: unlike the context, they remain valid when the request has just ended.
    private sealed class Request(Drain drain, IHttpResponseFeature response, IHttpRequestLifetimeFeature lifetime) : IDisposable
    {
        public void CutIfStarted()
        {
            if (response.HasStarted)
                lifetime.Abort();
        }

        public void Dispose() => drain._requests.TryRemove(this, out _);
    }
}
