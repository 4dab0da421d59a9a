using System.Net;
using System.Text;
using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// A failed request to a registry. The message has the request, its address, and the answer; it holds no credentials, and of an address
/// neither user nor query (signed links are secrets).
/// </summary>
public sealed class RegistryException : Exception
{
    /// <summary>How much of an error's body is read, in bytes.</summary>
    private const int LongestBody = 64 * 1024;

    /// <summary>How long an error's body is read, in all: the status decides, and the body is only quoted.</summary>
    private static readonly TimeSpan BodyLimit = TimeSpan.FromSeconds(5);

    /// <summary>Error codes of a 400 that stands for a 401: the distribution's codes from ECR Public, OAuth 2's (RFC 6749 section 5.2) from
    /// token servers.</summary>
    private static readonly string[] TokenIsRejected =
        ["UNAUTHORIZED", "DENIED", "invalid_grant", "invalid_client", "unauthorized_client", "access_denied"];

    /// <summary>The longest window of a rate limit that is known, Docker Hub's, is six hours.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(24);

    /// <summary>Seconds that are meant as a Unix time (from September 2001 on): more than 31 years.</summary>
    private static readonly TimeSpan FirstUnixTime = TimeSpan.FromSeconds(1_000_000_000);

    /// <summary>The quoted part of an error body, in characters.</summary>
    private const int LongestQuote = 300;

    /// <summary>The same of a body that is no error of a registry: what asks may not be meant to read it.</summary>
    private const int LongestForeignQuote = 80;

    public RegistryException(RegistryErrorKind kind, string message, HttpStatusCode? status = null, TimeSpan? retryAfter = null,
        bool? isTransient = null, Exception? inner = null)
        : base(PlainText.Of(message), inner)
    {
        (Kind, Status, RetryAfter) = (kind, status, retryAfter);
        IsTransient = isTransient ?? kind is RegistryErrorKind.RateLimited or RegistryErrorKind.Broken or RegistryErrorKind.Unreachable;
    }

    public RegistryErrorKind Kind { get; }

    /// <summary>
    /// The HTTP status that came back; null when none did or when it was a success. Forbidden also where our own
    /// rules forbid the registry's address.
    /// </summary>
    public HttpStatusCode? Status { get; }

    /// <summary>How long the registry asked to wait; null when it did not say.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>The same request may succeed later without a change of configuration.</summary>
    public bool IsTransient { get; }

    /// <summary>
    /// The error of an answer that is no success. Of its body 64 KiB are read at most, and for 5 seconds at most;
    /// what has come by then is quoted.
    /// </summary>
    /// <param name="method">The method of the request.</param>
    /// <param name="address">The address of the request.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="time">The clock.</param>
    /// <param name="ct">Ends the reading of the body.</param>
    internal static async Task<RegistryException> From(
        HttpMethod method, Uri address, HttpResponseMessage answer, TimeProvider time, CancellationToken ct)
    {
        var status = answer.StatusCode;
        var body = method == HttpMethod.Head ? [] : await ReadBody(answer, time, ct);
        var (kind, said) = (KindOf(status, Codes(body)), Quote(body));
        var words = said.Length == 0 ? "" : ": " + said;
        return new RegistryException(
            kind, $"{method} {Show(address)}: {(int)status} {answer.ReasonPhrase}{Redirect(address, answer)}{words}",
            status, WaitOf(answer, time), kind == RegistryErrorKind.RateLimited || IsWorthAnotherTry(status));
    }

    /// <summary>The error of a request that got no answer.</summary>
    internal static RegistryException NoAnswer(HttpMethod method, Uri address, Exception fault)
    {
        var cause = fault;
        while (cause.InnerException is { } inner)
            cause = inner;
        return new RegistryException(RegistryErrorKind.Unreachable, $"{method} {Show(address)}: {cause.Message}", inner: fault);
    }

    /// <summary>The error of an answer that is a success and nevertheless cannot be used.</summary>
    internal static RegistryException Unusable(HttpMethod method, Uri address, string what, bool isTransient = true) =>
        new(RegistryErrorKind.Broken, $"{method} {Show(address)}: {what}", isTransient: isTransient);

    /// <summary>Scheme, host, port and path: all of an address that is no secret.</summary>
    internal static string Show(Uri address) =>
        address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) + address.AbsolutePath;

    /// <summary>
    /// The wait of Retry-After. A time is interpreted by the response's own clock, which may differ from ours; so are seconds that are a
    /// Unix time. More than a day is a mistake and is ignored.
    /// </summary>
    private static TimeSpan? WaitOf(HttpResponseMessage answer, TimeProvider time)
    {
        if (answer.Headers.RetryAfter is not { } retry)
            return null;
        var now = answer.Headers.Date ?? time.GetUtcNow();
        var wait = retry.Date is { } date ? date - now
            : retry.Delta is { } seconds && seconds >= FirstUnixTime ? DateTimeOffset.UnixEpoch + seconds - now
            : retry.Delta;
        return wait > LongestWait ? null : wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }

    /// <summary>Where an answer leads to, in words; empty where it does not.</summary>
    private static string Redirect(Uri address, HttpResponseMessage answer)
    {
        try
        {
            return UriReference.LocationOf(answer) is { } location ? $", to {Show(UriReference.Resolve(address, location))}" : "";
        }
        catch (UriFormatException)
        {
            return "";
        }
    }

    /// <param name="status">HTTP's.</param>
    /// <param name="codes">The body's, which some registries put where the status should say it.</param>
    private static RegistryErrorKind KindOf(HttpStatusCode status, List<string> codes) => status switch
    {
        _ when codes.Contains("TOOMANYREQUESTS") => RegistryErrorKind.RateLimited,
        HttpStatusCode.NotFound or HttpStatusCode.Gone => RegistryErrorKind.Gone,
        HttpStatusCode.Unauthorized or HttpStatusCode.PaymentRequired or HttpStatusCode.Forbidden => RegistryErrorKind.Refused,
        HttpStatusCode.PreconditionFailed or HttpStatusCode.UnavailableForLegalReasons => RegistryErrorKind.Refused,
        HttpStatusCode.BadRequest when codes.Any(TokenIsRejected.Contains) => RegistryErrorKind.Refused,
        HttpStatusCode.TooManyRequests => RegistryErrorKind.RateLimited,
        _ => RegistryErrorKind.Broken,
    };

    private static bool IsWorthAnotherTry(HttpStatusCode status) => (int)status >= 500 || status == HttpStatusCode.RequestTimeout;

    private static async Task<byte[]> ReadBody(HttpResponseMessage answer, TimeProvider time, CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(BodyLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        using var bytes = new MemoryStream();
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(either.Token);
            var buffer = new byte[4096];
            int got;
            while (bytes.Length < LongestBody && (got = await body.ReadAsync(buffer, either.Token)) > 0)
                bytes.Write(buffer, 0, (int)Math.Min(got, LongestBody - bytes.Length));
        }
        catch (Exception e) when (
            e is IOException or HttpRequestException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            // The status says enough.
        }
        return bytes.ToArray();
    }

    /// <summary>The distribution's error codes and messages if the body has them, else its beginning, in one line.</summary>
    internal static string Quote(byte[] body) =>
        Read(body, errors => Cap(string.Join("; ", errors.Select(e => $"{e.Code} {e.Message}".Trim()))))
        ?? Cap(Encoding.UTF8.GetString(body), LongestForeignQuote);

    private static List<string> Codes(byte[] body) => Read(body, errors => errors.Select(e => e.Code).ToList()) ?? [];

    /// <summary>The errors of the distribution's form, or the one of OAuth 2's with its description; null when the body is
    /// neither.</summary>
    private static T? Read<T>(byte[] body, Func<IEnumerable<(string Code, string Message)>, T> read) where T : class
    {
        try
        {
            using var json = UntrustedJson.ParseDocument(body);
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("errors", out var errors)
                && errors.ValueKind == JsonValueKind.Array)
                return read(errors.EnumerateArray().Select(e => (Text(e, "code"), Text(e, "message"))));
            return Text(json.RootElement, "error") is { Length: > 0 } code
                ? read([(code, Text(json.RootElement, "error_description"))])
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Text(JsonElement error, string name) =>
        error.ValueKind == JsonValueKind.Object && error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : "";

    private static string Cap(string text, int longest = LongestQuote)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length <= longest ? line : line[..longest] + "…";
    }
}
