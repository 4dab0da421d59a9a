using System.Collections.Concurrent;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>
/// The images that this process is copying or evicting. A lease does not hold up the replica it belongs to, so that a killed one can go on
/// at once; within one process, this does. Injected as a singleton.
/// </summary>
public sealed class InFlightImages(FetcherOptions options)
{
    private readonly ConcurrentDictionary<string, bool> _images = new();
    private readonly PerHostLimiter _turns = new(options.MaxConcurrentImages);

    /// <summary>Begins; null when the image is under way already. Dispose it at the end.</summary>
    public IDisposable? TryEnter(string image) => _images.TryAdd(image, true) ? new Turn(_images, image) : null;

    /// <summary>Waits until an image of this host may be copied; disposing of it ends the turn.</summary>
    public Task<IDisposable> WaitForTurn(string host, CancellationToken ct) => _turns.Enter(host, ct);

    private sealed class Turn(ConcurrentDictionary<string, bool> images, string image) : IDisposable
    {
        public void Dispose() => images.TryRemove(image, out _);
    }
}
