using System.Net;
using Kuik.EventLog;
using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>
/// Admits requests of the audit API by the right that Kubernetes gives their token, turns failures into answers of one sentence, and writes
/// one log line for each request.
/// </summary>
public sealed partial class AuditGate(
    RequestDelegate next, AccessReviewer reviewer, AuditMetrics metrics, TimeProvider time, ILogger<AuditGate> logger)
{
    /// <summary>The document that is served without a token.</summary>
    public const string DocumentPath = "/audit/v1/openapi.json";

    /// <summary>The header of the token where a proxy removes <c>Authorization</c>, as the Kubernetes API server does.</summary>
    private const string TokenHeader = "X-Kuik-Token";

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    /// <summary>Handles a request.</summary>
    public async Task InvokeAsync(HttpContext http)
    {
        var began = time.GetTimestamp();
        var caller = Caller.Unknown;
        var isAbandoned = false;
        try
        {
            var decision = http.Request.Path == DocumentPath ? new AccessDecision(caller, null) : await Admit(http);
            caller = decision.Caller;
            if (decision.Refusal is { } refusal)
                await AuditProblem.Write(http, refusal.Status, refusal.Sentence, refusal.RetryAfter);
            else
                await next(http);
        }
        catch (Exception) when (http.RequestAborted.IsCancellationRequested)
        {
            // The exception is that of the statement or of the write that was canceled.
            isAbandoned = !EventFeed.IsStream(http.Request);
        }
        catch (Exception fault) when (!http.Response.HasStarted)
        {
            await Answer(http, fault);
        }
        finally
        {
            var code = isAbandoned ? StatusCodes.Status499ClientClosedRequest : http.Response.StatusCode;
            metrics.CountRequest(code);
            LogRequest(caller.User, caller.Groups.Count, $"{http.Request.Path}{http.Request.QueryString}", code,
                (long)time.GetElapsedTime(began).TotalMilliseconds);
        }
    }

    private async Task<AccessDecision> Admit(HttpContext http)
    {
        if (!http.Request.IsHttps && http.Connection.RemoteIpAddress is { } remote && !IPAddress.IsLoopback(remote))
            return new AccessDecision(Caller.Unknown, new Refusal(StatusCodes.Status403Forbidden,
                "a token is accepted over https only, or from this machine (kubectl port-forward)"));
        if (TokenOf(http.Request) is not { } token)
            return new AccessDecision(Caller.Unknown, new Refusal(StatusCodes.Status401Unauthorized,
                $"a token of Kubernetes is needed, as Authorization: Bearer or as {TokenHeader}"));
        var isStream = EventFeed.IsStream(http.Request);
        var space = http.Request.Query[AuditOperations.Namespace].FirstOrDefault() is { Length: > 0 } named ? named : null;
        return await reviewer.Review(token, isStream ? "watch" : "get", space, http.RequestAborted);
    }

    private static string? TokenOf(HttpRequest request)
    {
        if (request.Headers[TokenHeader].FirstOrDefault() is { Length: > 0 } token)
            return token;
        const string Scheme = "Bearer ";
        return request.Headers.Authorization.FirstOrDefault() is { } given && given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? given[Scheme.Length..].Trim() is { Length: > 0 } bearer ? bearer : null
            : null;
    }

    private async Task Answer(HttpContext http, Exception fault)
    {
        var (status, sentence) = fault switch
        {
            BadHttpRequestException wrong => (wrong.StatusCode, wrong.Message),
            AnswerTooLongException tooLong => (StatusCodes.Status400BadRequest, tooLong.Message),
            HistoryRemovedException removed => (StatusCodes.Status410Gone, removed.Message),
            OutsideNamespaceException outside => (StatusCodes.Status404NotFound, outside.Message),
            _ when EventLogFault.MeansAway(fault) => (StatusCodes.Status503ServiceUnavailable,
                "Postgres does not answer, or all connections of the audit are in use"),
            _ => (StatusCodes.Status500InternalServerError, "the question could not be answered; the log of expiry has the cause"),
        };
        if (status == StatusCodes.Status503ServiceUnavailable)
            LogAway(EventLogFault.ReasonOf(fault));
        else if (status == StatusCodes.Status500InternalServerError)
            LogFailed(fault);
        await AuditProblem.Write(http, status, sentence, status == StatusCodes.Status503ServiceUnavailable ? RetryAfter : null);
    }

    [LoggerMessage(LogLevel.Information, "audit: {User} ({Groups} groups) asked {Path}: {Status} in {Milliseconds} ms")]
    private partial void LogRequest(string user, int groups, string path, int status, long milliseconds);

    [LoggerMessage(LogLevel.Warning, "audit: Postgres does not answer: {Reason}")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Error, "audit: a question could not be answered")]
    private partial void LogFailed(Exception fault);
}
