using System.Diagnostics;
using Kuik.Contracts;

namespace Kuik.ImageFetcher;

/// <summary>One announced copy: its span and its numbers. Without <see cref="End"/> it is not counted.</summary>
internal sealed class CopyMeasurement : IDisposable
{
    private static readonly ActivitySource Source = new("Kuik.ImageFetcher");

    private readonly FetcherMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly string _image;
    private readonly long _begun;
    private readonly Activity? _span;

    /// <summary>Begins now.</summary>
    /// <param name="metrics">Counts the end.</param>
    /// <param name="time">The clock.</param>
    /// <param name="image">The normalised reference.</param>
    public CopyMeasurement(FetcherMetrics metrics, TimeProvider time, string image)
    {
        (_metrics, _time, _image, _begun) = (metrics, time, image, time.GetTimestamp());
        _span = Source.StartActivity("copy image", ActivityKind.Internal)?.SetTag("kuik.image", image);
    }

    /// <summary>Counts the end.</summary>
    /// <param name="outcome"><see cref="FetcherMetrics.Cached"/>, or a kind of <see cref="CopyEngine.CopyException"/>.</param>
    public void End(string outcome)
    {
        _span?.SetTag("kuik.outcome", outcome);
        _metrics.CountCopy(
            ImageReference.TryParse(_image, out var name, out _) ? name.Host : null, outcome, _time.GetElapsedTime(_begun));
    }

    /// <inheritdoc/>
    public void Dispose() => _span?.Dispose();
}
