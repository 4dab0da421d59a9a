using System.Globalization;
using Microsoft.AspNetCore.Mvc;

namespace Kuik.Expiry.Audit;

/// <summary>Refusals of the API, as RFC 9457 has them: <c>detail</c> is one sentence.</summary>
internal static class AuditProblem
{
    /// <summary>Writes one.</summary>
    /// <param name="http">Its response has not begun.</param>
    /// <param name="status">Of HTTP.</param>
    /// <param name="detail">One sentence.</param>
    /// <param name="retryAfter">The wait before another attempt; null when none would help.</param>
    public static Task Write(HttpContext http, int status, string detail, TimeSpan? retryAfter = null)
    {
        http.Response.StatusCode = status;
        if (retryAfter is { } wait)
            http.Response.Headers.RetryAfter = ((int)wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        if (status == StatusCodes.Status401Unauthorized)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        return http.Response.WriteAsJsonAsync(
            new ProblemDetails { Status = status, Detail = detail }, options: null, "application/problem+json", http.RequestAborted);
    }
}
