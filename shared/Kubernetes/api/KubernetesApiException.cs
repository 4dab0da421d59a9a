using System.Net;
using System.Text;
using System.Text.Json;

namespace Kuik.Kubernetes;

/// <summary>The Kubernetes API answered, and it was no.</summary>
/// <param name="status">The HTTP status, also of an ERROR line inside a watch.</param>
/// <param name="reason">The API's word for it, for example <c>AlreadyExists</c>; null when it gave none.</param>
/// <param name="message">What was asked and what came back, in one line.</param>
/// <param name="retryAfter">How long the API asks to be left alone; null when it does not say.</param>
public sealed class KubernetesApiException(HttpStatusCode status, string? reason, string message, TimeSpan? retryAfter = null) : Exception(message)
{
    private const int LongestBody = 64 * 1024;

    /// <summary>The HTTP status.</summary>
    public HttpStatusCode Status { get; } = status;

    /// <summary>The API's word for it; null when it gave none.</summary>
    public string? Reason { get; } = reason;

    /// <summary>How long the API asks to be left alone (<c>Retry-After</c> of a 429 or 503); null when it does not say.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>The answer's body where it is none of the API's own, for example that of a pod behind its proxy; null for the API's own. At
    /// most 64 KiB.</summary>
    public string? Text { get; private init; }

    /// <summary>The state that a watch was to go on from is no longer known: only a new list helps.</summary>
    public bool NeedsNewList => Status == HttpStatusCode.Gone || Reason is "Expired" or "Gone";

    internal static async Task<KubernetesApiException> From(HttpRequestMessage request, HttpResponseMessage response, DateTimeOffset now, CancellationToken ct)
    {
        var body = new byte[LongestBody];
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var length = await stream.ReadAtLeastAsync(body, LongestBody, throwOnEndOfStream: false, ct);
        var account = Parse(body.AsSpan(0, length));
        var text = account is null ? Encoding.UTF8.GetString(body, 0, length) : null;
        return From($"{request.Method} {request.RequestUri!.AbsolutePath}", response.StatusCode, account, RetryAfterOf(response, now), text);
    }

    internal static KubernetesApiException From(string asked, HttpStatusCode status, ApiStatus? account, TimeSpan? retryAfter = null, string? text = null) =>
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
            return null;   // something in between answered, not the API: the status has to do
        }
    }
}
