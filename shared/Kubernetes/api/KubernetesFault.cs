using System.Text.Json;

namespace Kuik.Kubernetes;

/// <summary>Distinguishes failures of the Kubernetes API from defects of this program.</summary>
public static class KubernetesFault
{
    /// <summary>
    /// True when the API refused, did not answer in time or at all, or sent an unexpected response: an attempt may be repeated.
    /// </summary>
    /// <param name="fault">The exception of a call.</param>
    /// <param name="ct">The caller's own token: when it is cancelled, a cancellation is not a failure.</param>
    public static bool IsOfApi(Exception fault, CancellationToken ct) => fault switch
    {
        OperationCanceledException => !ct.IsCancellationRequested,   // a deadline of the call or of HttpClient
        KubernetesApiException or HttpRequestException or IOException or JsonException => true,
        _ => false,
    };
}
