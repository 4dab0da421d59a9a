using System.Diagnostics.Metrics;

namespace Kuik.Expiry.Audit;

/// <summary>The metrics of the audit API. A singleton.</summary>
public sealed class AuditMetrics
{
    private readonly Counter<long> _requests;

    /// <summary>Creates the instruments on expiry's meter.</summary>
    public AuditMetrics(IMeterFactory meters) => _requests = meters.Create("Kuik.Expiry").CreateCounter<long>(
        "kuik_expiry_audit_requests",
        description: "Requests to the audit API, by outcome: answered, refused (no token or no right), rejected (a wrong question), busy, "
            + "unavailable (Kubernetes or Postgres does not answer), canceled or failed");

    /// <summary>Counts a request.</summary>
    /// <param name="status">Its HTTP status; 499 when the client has left.</param>
    public void CountRequest(int status) => _requests.Add(1, KeyValuePair.Create<string, object?>("outcome", OutcomeOf(status)));

    private static string OutcomeOf(int status) => status switch
    {
        < 400 => "answered",
        StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden => "refused",
        StatusCodes.Status429TooManyRequests => "busy",
        StatusCodes.Status499ClientClosedRequest => "canceled",
        StatusCodes.Status503ServiceUnavailable => "unavailable",
        < 500 => "rejected",
        _ => "failed",
    };
}
