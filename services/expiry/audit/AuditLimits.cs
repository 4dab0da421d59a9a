namespace Kuik.Expiry.Audit;

/// <summary>The number of questions that are answered at once. A singleton.</summary>
public sealed class AuditLimits : IDisposable
{
    private const int MostStreams = 20;

    /// <summary>The wait that a refused client is asked for.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    /// <summary>The refusal of a question that folds the log.</summary>
    public static readonly string TooManyFolds =
        $"another question is folding the log, and one at a time is answered: ask again in {RetryAfter.TotalSeconds:0} s";

    /// <summary>The refusal of a stream.</summary>
    public static readonly string TooManyStreams =
        $"{MostStreams} streams are open, as many as this replica serves: end one (kuik tail), or ask again in "
            + $"{RetryAfter.TotalSeconds:0} s";

    private readonly SemaphoreSlim _folds = new(1, 1);
    private readonly SemaphoreSlim _streams = new(MostStreams, MostStreams);

    /// <summary>Takes the permit of a question that folds the log: one at a time.</summary>
    /// <returns>Disposed of at its end; null when there is none.</returns>
    public IDisposable? TryFold() => TryEnter(_folds);

    /// <summary>Takes a permit of a stream of events: twenty at a time.</summary>
    /// <inheritdoc cref="TryFold"/>
    public IDisposable? TryStream() => TryEnter(_streams);

    /// <inheritdoc/>
    public void Dispose()
    {
        _folds.Dispose();
        _streams.Dispose();
    }

    private static Permit? TryEnter(SemaphoreSlim permits) => permits.Wait(0) ? new Permit(permits) : null;

    private sealed class Permit(SemaphoreSlim permits) : IDisposable
    {
        public void Dispose() => permits.Release();
    }
}
