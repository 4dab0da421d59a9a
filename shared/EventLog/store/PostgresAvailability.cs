using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The availability of Postgres as last seen by each part of this process: its transactions, its projections, its workers. For readiness,
/// metrics, and one log line for each cause. A singleton.
/// </summary>
public sealed partial class PostgresAvailability(NpgsqlDataSource postgres, TimeProvider time, ILogger<PostgresAvailability> logger)
{
    /// <summary>How long an unrepeated failure counts: the part may have no work, and so no success to report.</summary>
    internal static readonly TimeSpan Memory = TimeSpan.FromMinutes(2);

    private readonly Dictionary<string, Failure> _failures = [];
    private TimeSpan _awayBefore;
    private DateTimeOffset? _awaySince;

    /// <summary>The failure of the part that failed first; null while all parts succeed.</summary>
    public string? Reason
    {
        get
        {
            lock (_failures)
                return Current().OrderBy(failure => failure.Since).FirstOrDefault()?.Reason;
        }
    }

    /// <summary>How long Postgres has been unusable for a part of this process, since it started.</summary>
    internal TimeSpan Away
    {
        get
        {
            lock (_failures)
            {
                Current();
                return _awayBefore + (_awaySince is { } since ? time.GetUtcNow() - since : TimeSpan.Zero);
            }
        }
    }

    /// <summary>Notes a part's failure.</summary>
    /// <param name="part">Its name, for the log.</param>
    /// <param name="fault">An exception with <see cref="EventLogFault.MeansAway"/>.</param>
    /// <param name="isSilent">True when the caller logs it.</param>
    public void ReportFailure(string part, Exception fault, bool isSilent = false)
    {
        var reason = EventLogFault.ReasonOf(fault);
        bool isNews;
        lock (_failures)
        {
            var now = time.GetUtcNow();
            var before = _failures.GetValueOrDefault(part);
            isNews = before?.Reason != reason;
            _failures[part] = new Failure(reason, before?.Since ?? now, now);
            _awaySince ??= now;
        }
        if (isNews && !isSilent)
            LogFails(PostgresHealth.AddressOf(postgres), part, reason);
    }

    /// <summary>Notes a part's success.</summary>
    public void ReportSuccess(string part)
    {
        lock (_failures)
        {
            if (!_failures.Remove(part))
                return;
            Current();
        }
    }

    /// <summary>The current failures; the outage ends with the last of them.</summary>
    private Dictionary<string, Failure>.ValueCollection Current()
    {
        var now = time.GetUtcNow();
        foreach (var (part, failure) in _failures.ToList())
            if (now - failure.LastSeen > Memory)
                _failures.Remove(part);
        if (_failures.Count == 0 && _awaySince is { } since)
        {
            _awayBefore += now - since;
            _awaySince = null;
        }
        return _failures.Values;
    }

    private sealed record Failure(string Reason, DateTimeOffset Since, DateTimeOffset LastSeen);

    [LoggerMessage(LogLevel.Warning, "Postgres at {Address} cannot be used by the {Part}: {Reason}; retrying")]
    private partial void LogFails(string address, string part, string reason);
}
