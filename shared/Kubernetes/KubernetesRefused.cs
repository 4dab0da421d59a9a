using System.Net;
using System.Text.Json;

namespace Kuik.Kubernetes;

/// <summary>The Kubernetes API answered, and it was no.</summary>
/// <param name="status">The HTTP status, also of an ERROR line inside a watch.</param>
/// <param name="reason">The API's word for it, for example <c>AlreadyExists</c>; null when it gave none.</param>
/// <param name="message">What was asked and what came back, in one line.</param>
public sealed class KubernetesRefused(HttpStatusCode status, string? reason, string message) : Exception(message)
{
    private const int LongestBody = 64 * 1024;

    /// <summary>The HTTP status.</summary>
    public HttpStatusCode Status { get; } = status;

    /// <summary>The API's word for it; null when it gave none.</summary>
    public string? Reason { get; } = reason;

    /// <summary>The state that a watch was to go on from is no longer known: only a new list helps.</summary>
    public bool NeedsNewList => Status == HttpStatusCode.Gone || Reason is "Expired" or "Gone";

    internal static async Task<KubernetesRefused> From(HttpRequestMessage request, HttpResponseMessage response, CancellationToken ct)
    {
        var body = new byte[LongestBody];
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var length = await stream.ReadAtLeastAsync(body, LongestBody, throwOnEndOfStream: false, ct);
        return From($"{request.Method} {request.RequestUri!.AbsolutePath}", response.StatusCode, Parse(body.AsSpan(0, length)));
    }

    internal static KubernetesRefused From(string asked, HttpStatusCode status, ApiStatus? account) =>
        new(status, account?.Reason, $"{asked}: {(int)status} {account?.Message ?? status.ToString()}");

    private static ApiStatus? Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, KubernetesJson.Default.ApiStatus);
        }
        catch (JsonException)
        {
            return null;   // something in between answered, not the API: the status has to do
        }
    }
}
