using System.Text.Json;

namespace Kuik.Kubernetes;

/// <summary>Tells failures of the Kubernetes API from faults of this program.</summary>
public static class KubernetesFault
{
    /// <summary>The API refused, did not answer in time or at all, or answered something else than asked for: an attempt may be
    /// repeated.</summary>
    /// <param name="fault">What a call threw.</param>
    /// <param name="ct">The caller's own: when it is cancelled, a cancellation is no failure.</param>
    public static bool IsOfApi(Exception fault, CancellationToken ct) => fault switch
    {
        OperationCanceledException => !ct.IsCancellationRequested,   // a deadline of the call or of HttpClient
        KubernetesApiException or HttpRequestException or IOException or JsonException => true,
        _ => false,
    };
}
