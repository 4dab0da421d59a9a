using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>
/// <c>POST /mutate-core-v1-pod</c>: an AdmissionReview (admission.k8s.io/v1) in, one with a JSON Patch out. Whatever is in doubt about a
/// request, its answer is "allowed, unchanged", with the reason in the log: an image that was not rewritten still runs, a pod that was
/// refused does not.
/// </summary>
public static partial class AnswerAdmission
{
    private const string Kind = "AdmissionReview";
    private const string Version = "admission.k8s.io/v1";

    /// <summary>Longest list of reasons in the log, in characters.</summary>
    private const int LongestReasons = 1000;

    /// <summary>Adds the webhook's options, metrics and listeners: see <see cref="Listener"/>.</summary>
    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static WebApplicationBuilder AddPodRewriting(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(RewriteOptions.From(builder.Configuration));
        builder.Services.AddSingleton<RewriteMetrics>();
        builder.Services.AddReviewLimits();
        GracefulShutdown.Configure(builder);
        Listener.Configure(builder);
        return builder;
    }

    /// <summary>Maps the one address that Kubernetes calls, and with <c>?explain</c> people.</summary>
    public static WebApplication MapPodAdmission(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<RewriteOptions>();
        var metrics = app.Services.GetRequiredService<RewriteMetrics>();
        var logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(AnswerAdmission));
        app.Use(app.Services.GetRequiredService<GracefulShutdown>().CloseConnections);
        app.UseRateLimiter();
        app.MapPost("/mutate-core-v1-pod", http => http.Request.Query.ContainsKey("explain")
            ? Explain(http, options, logger)
            : Answer(http, options, metrics, logger)).RequireRateLimiting(ReviewLimits.Policy);
        return app;
    }

    private static async Task Answer(HttpContext http, RewriteOptions options, RewriteMetrics metrics, ILogger logger)
    {
        // 1. A request that cannot be answered with an AdmissionReview gets an error text.
        using var review = await ReadBody(http, logger);
        if (review is null)
            return;
        JsonElement? root = review.Root;
        var request = root.Member("request");
        var (version, uid) = (root.Member("apiVersion").Text(), request.Member("uid").Text());
        if (root.Member("kind").Text() != Kind || version is null || string.IsNullOrEmpty(uid))
        {
            await Refuse(http, StatusCodes.Status400BadRequest, $"the body is no {Kind} of {Version} with a request and its uid", logger);
            return;
        }

        // 2. Decide, log the decision, answer.
        using var trace = PodTrace.Begin(http.Request, request);
        var decision = version == Version
            ? Decide(PodTrace.With(PodChange.From(request), trace), options, logger)
            : new PodDecision([], [], $"{version} is not {Version}");
        Say(request, decision, metrics, logger);
        await Write(http, Response(version, uid, decision.Patch));
    }

    private static async Task Explain(HttpContext http, RewriteOptions options, ILogger logger)
    {
        using var body = await ReadBody(http, logger);
        if (body is null)
            return;
        if (ExplainPod.Read(body.Root) is { } change)
            await Write(http, ExplainPod.Say(Decide(change, options, logger)));
        else
            await Refuse(http, StatusCodes.Status400BadRequest, $"the body is neither a Pod nor an {Kind}", logger);
    }

    /// <summary>The body as JSON; null if it is none, which has been answered then.</summary>
    private static async Task<RentedJson?> ReadBody(HttpContext http, ILogger logger)
    {
        try
        {
            return await RentedJson.Read(http.Request, http.RequestAborted);
        }
        catch (JsonException wrong)
        {
            await Refuse(http, StatusCodes.Status400BadRequest, $"the body is not JSON: {wrong.Message}", logger);
        }
        catch (BadHttpRequestException wrong)
        {
            await Refuse(http, wrong.StatusCode, wrong.Message, logger);
        }
        return null;
    }

    private static PodDecision Decide(PodChange change, RewriteOptions options, ILogger logger)
    {
        try
        {
            return RewritePod.Decide(change, options);
        }
        // The one place that may catch everything: a fault of ours must not become the pod's, and the log keeps it.
        catch (Exception fault)
        {
            LogFault(logger, fault);
            return new PodDecision([], [], "a fault in the webhook itself");
        }
    }

    // The answer: always allowed; a patch only if there is something to change.
    private static ReadOnlyMemory<byte> Response(string version, string uid, JsonArray patch) => RawJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("apiVersion", version);
        json.WriteString("kind", Kind);
        json.WriteStartObject("response");
        json.WriteString("uid", uid);
        json.WriteBoolean("allowed", true);
        if (patch.Count > 0)
        {
            json.WriteString("patchType", "JSONPatch");
            json.WriteBase64String("patch", RawJson.Write(bytes => patch.WriteTo(bytes)).Span);
        }
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private static void Say(JsonElement? request, PodDecision decision, RewriteMetrics metrics, ILogger logger)
    {
        var isDryRun = request.Member("dryRun") is { ValueKind: JsonValueKind.True };
        if (!isDryRun)
            metrics.Count(decision);
        var level = isDryRun ? LogLevel.Debug : LogLevel.Information;
        if (!logger.IsEnabled(level))
            return;
        var metadata = request.Member("object").Member("metadata");
        var name = request.Member("name").Text() is { Length: > 0 } given
            ? given
            : metadata.Member("name").Text() ?? metadata.Member("generateName").Text() + "*";
        var rewritten = decision.Containers.Count(container => container.Image is not null);
        LogDecision(logger, level, request.Member("operation").Text(), Clean(request.Member("namespace").Text() ?? "", 63),
            Clean(name, 253), rewritten,
            decision.Containers.Count + decision.Skipped, Clean(Reasons(decision), LongestReasons));
    }

    private static string Reasons(PodDecision decision)
    {
        if (decision.LeftAlone is { } reason)
            return $"; left alone: {reason}";
        var text = new StringBuilder();
        foreach (var stays in decision.Containers.Where(container => container.Image is null).TakeWhile(_ => text.Length <= LongestReasons))
            text.Append("; ").Append(stays.Container.Name).Append(": ").Append(stays.Why);
        return text.ToString();
    }

    // Text from a pod is untrusted: control characters are replaced and its length is capped.
    private static string Clean(string text, int longest)
    {
        var clean = string.Concat(text.Take(longest).Select(character => char.IsControl(character) ? ' ' : character));
        return text.Length > longest ? clean + "…" : clean;
    }

    private static Task Write(HttpContext http, ReadOnlyMemory<byte> json)
    {
        (http.Response.ContentType, http.Response.ContentLength) = ("application/json", json.Length);
        return http.Response.Body.WriteAsync(json, http.RequestAborted).AsTask();
    }

    /// <summary>Answers with a sentence instead of an AdmissionReview: the API server then follows <c>failurePolicy</c>.</summary>
    internal static Task Refuse(HttpContext http, int status, string sentence, ILogger logger)
    {
        LogRefused(logger, status, Clean(sentence, LongestReasons));
        http.Response.StatusCode = status;
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync(sentence + "\n", http.RequestAborted);
    }

    [LoggerMessage(Message = "{Operation} {Namespace}/{Pod}: {Rewritten} of {Containers} images rewritten{Reasons}")]
    private static partial void LogDecision(ILogger logger, LogLevel level, string? operation, string @namespace, string pod, int rewritten,
        int containers, string reasons);

    [LoggerMessage(LogLevel.Warning, "A request was refused with {Status}: {Sentence}")]
    private static partial void LogRefused(ILogger logger, int status, string sentence);

    [LoggerMessage(LogLevel.Error, "A pod could not be decided about; it is left alone")]
    private static partial void LogFault(ILogger logger, Exception fault);
}
