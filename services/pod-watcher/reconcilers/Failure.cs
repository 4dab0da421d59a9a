using System.Text.Json;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>What an exception means for the key that was being reconciled, and for the others.</summary>
/// <param name="Kind">For metrics and to say the same thing once: <c>postgres</c>, <c>unreachable</c>, an HTTP status of the API, or
/// <c>internal</c>.</param>
/// <param name="Reason">One phrase for an operator.</param>
/// <param name="IsShared">It is likely to meet other keys too: Postgres or the API is unreachable or overloaded.</param>
/// <param name="RetryAfter">How long the API asks to be left alone; null when it does not.</param>
internal sealed record Failure(string Kind, string Reason, bool IsShared, TimeSpan? RetryAfter = null)
{
    /// <summary>Reads an exception.</summary>
    public static Failure From(Exception fault) => fault switch
    {
        _ when EventLogFault.MeansAway(fault) => new Failure("postgres", EventLogFault.ReasonOf(fault), true),
        KubernetesApiException refusal => new Failure(
            ((int)refusal.Status).ToString(System.Globalization.CultureInfo.InvariantCulture), refusal.Message, (int)refusal.Status is 429 or >= 500, refusal.RetryAfter),
        HttpRequestException or IOException or OperationCanceledException or JsonException => new Failure("unreachable", fault.Message, true),
        _ => new Failure("internal", $"{fault.GetType().Name}: {fault.Message}", false),
    };
}
