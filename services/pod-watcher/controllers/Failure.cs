using System.Text.Json;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>The consequences of an exception for the key that was being reconciled, and for the others.</summary>
/// <param name="Kind">For metrics and to log a cause once: <c>postgres</c>, <c>unreachable</c>, an HTTP status of the
/// API, or <c>internal</c>.</param>
/// <param name="Reason">One phrase for operators.</param>
/// <param name="IsShared">True when it is likely to affect other keys too: Postgres or the API is unreachable or overloaded.</param>
/// <param name="RetryAfter">The wait that the API asks for; null for none.</param>
internal sealed record Failure(string Kind, string Reason, bool IsShared, TimeSpan? RetryAfter = null)
{
    /// <summary>Classifies an exception.</summary>
    public static Failure From(Exception fault) => fault switch
    {
        _ when EventLogFault.MeansAway(fault) => new Failure("postgres", EventLogFault.ReasonOf(fault), true),
        KubernetesApiException refusal => new Failure(
            ((int)refusal.Status).ToString(System.Globalization.CultureInfo.InvariantCulture), refusal.Message,
            (int)refusal.Status is 429 or >= 500, refusal.RetryAfter),
        HttpRequestException or IOException or OperationCanceledException or JsonException =>
            new Failure("unreachable", fault.Message, true),
        _ => new Failure("internal", $"{fault.GetType().Name}: {fault.Message}", false),
    };
}
