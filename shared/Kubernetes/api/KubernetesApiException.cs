using System.Net;
using System.Text;
using System.Text.Json;

namespace Kuik.Kubernetes;

/// <summary>An error status of the Kubernetes API.</summary>
/// <param name="status">The HTTP status, also of an ERROR line inside a watch.</param>
/// <param name="reason">The API's reason, for example <c>AlreadyExists</c>; null for none.</param>
/// <param name="message">The request and the response, in one line.</param>
/// <param name="retryAfter">The wait that the API asks for; null for none.</param>
public sealed class KubernetesApiException(HttpStatusCode status, string? reason, string message, TimeSpan? retryAfter = null)
    : Exception(message)
{
    private const int LongestBody = 64 * 1024;

    /// <summary>The HTTP status.</summary>
    public HttpStatusCode Status { get; } = status;

    /// <summary>The API's reason; null for none.</summary>
    public string? Reason { get; } = reason;

    /// <summary>The wait that the API asks for (<c>Retry-After</c> of a 429 or 503); null for none.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>
    /// The body of a response that is not the API's own, for example that of a pod behind its proxy; null
    /// for the API's own. At most 64 KiB.
    /// </summary>
    public string? Text { get; private init; }

    /// <summary>True when a watch cannot continue from its version: only a new list helps.</summary>
    public bool NeedsNewList => Status == HttpStatusCode.Gone || Reason is "Expired" or "Gone";

    internal static async Task<KubernetesApiException> From(HttpRequestMessage request, HttpResponseMessage response, DateTimeOffset now,
        CancellationToken ct)
    {
        var body = new byte[LongestBody];
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var length = await stream.ReadAtLeastAsync(body, LongestBody, throwOnEndOfStream: false, ct);
        var account = Parse(body.AsSpan(0, length));
        var text = account is null ? Encoding.UTF8.GetString(body, 0, length) : null;
        return From($"{request.Method} {request.RequestUri!.AbsolutePath}", response.StatusCode, account, RetryAfterOf(response, now),
            text);
    }

    internal static KubernetesApiException From(string asked, HttpStatusCode status, ApiStatus? account, TimeSpan? retryAfter = null,
        string? text = null) =>
        new(status, account?.Reason, $"{asked}: {(int)status} {account?.Message ?? status.ToString()}",
            retryAfter ?? (account?.Details?.RetryAfterSeconds is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null))
        {
            Text = text,
        };

    private static TimeSpan? RetryAfterOf(HttpResponseMessage response, DateTimeOffset now) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date > now => date - now,
        _ => null,
    };

    private static ApiStatus? Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, KubernetesJson.Default.ApiStatus);
        }
        catch (JsonException)
        {
            return null;   // the response is a proxy's, not the API's: only the status is known
        }
    }
}
