using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ImageFetcher;

/// <summary>The last fault of work that is tried again and again: each cause is logged once, and again after a success.
/// Thread-safe.</summary>
internal sealed class LastFault
{
    private string? _reason;

    /// <summary>Logs a fault unless it is the last one again; the reason is without credentials.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="outside">Logs one whose cause is Postgres, the cache registry or an origin.</param>
    /// <param name="inside">Logs a fault of this program, with its stack.</param>
    public void Report(Exception fault, Action<string> outside, Action<string> inside)
    {
        var reason = EventLogFault.IsOfPostgres(fault) ? EventLogFault.ReasonOf(fault)
            : fault is CopyException ? fault.Message : ExceptionSummary.WithStack(fault);
        if (Interlocked.Exchange(ref _reason, reason) == reason)
            return;
        if (fault is CopyException || EventLogFault.MeansAway(fault))
            outside(reason);
        else
            inside(reason);
    }

    /// <summary>The work has succeeded.</summary>
    public void Clear() => Interlocked.Exchange(ref _reason, null);
}
