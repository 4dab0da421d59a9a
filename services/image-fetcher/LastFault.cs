using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>The last fault of work that is tried again and again: each cause is logged once, and again after a success.
/// Thread-safe.</summary>
internal sealed class LastFault
{
    private string? _reason;

    /// <summary>The reason to log, without credentials; null when it is the last one again.</summary>
    public string? ReasonIfNew(Exception fault)
    {
        var reason = EventLogFault.IsOfPostgres(fault) ? EventLogFault.ReasonOf(fault)
            : fault is CopyException ? fault.Message : ExceptionSummary.WithStack(fault);
        return Interlocked.Exchange(ref _reason, reason) == reason ? null : reason;
    }

    /// <summary>The work has succeeded.</summary>
    public void Clear() => Interlocked.Exchange(ref _reason, null);

    /// <summary>True when Postgres, the cache registry or an origin is the cause, and false for a fault of this program.</summary>
    public static bool IsOutside(Exception fault) => fault is CopyException || EventLogFault.MeansAway(fault);
}
