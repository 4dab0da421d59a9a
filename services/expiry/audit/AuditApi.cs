using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Kuik.Kubernetes;

namespace Kuik.Expiry.Audit;

/// <summary>The read-only audit API (docs/decisions/0024-audit-api.md). Every replica serves it.</summary>
public static class AuditApi
{
    private const string Root = "/audit/v1";

    /// <summary>Adds the API, if it is to be served.</summary>
    /// <exception cref="Hosting.InvalidSettingException">A setting is invalid, or the Kubernetes API is not known.</exception>
    public static WebApplicationBuilder AddAuditApi(this WebApplicationBuilder builder)
    {
        var options = AuditOptions.From(builder.Configuration);
        builder.Services.AddSingleton(options);
        // For every https address in Urls, also when the API is not served there. Only the API server's proxy uses one, and it verifies no
        // certificate.
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureHttpsDefaults(https =>
            https.ServerCertificate ??= OwnCertificate.Create(TimeProvider.System.GetUtcNow())));
        if (!options.IsServed)
            return builder;
        var connection = AuditPool.ConnectionOf(EventLogSetup.ReadConnectionString(builder.Configuration));
        builder.AddKuikKubernetes();
        builder.Services.AddSingleton(_ => new AuditPool(connection));
        builder.Services.AddSingleton<AccessReviewer>();
        builder.Services.AddSingleton<AuditMetrics>();
        builder.Services.AddSingleton<AuditLimits>();
        builder.Services.AddSingleton<LogEnd>();
        builder.Services.AddSingleton<EventFeed>();
        return builder;
    }

    /// <summary>Maps its endpoints, if it is to be served.</summary>
    public static WebApplication MapAuditApi(this WebApplication app)
    {
        if (!app.Services.GetRequiredService<AuditOptions>().IsServed)
            return app;
        app.UseWhen(http => http.Request.Path.StartsWithSegments("/audit"), branch => branch.UseMiddleware<AuditGate>());
        foreach (var operation in AuditOperations.Questions)
            app.MapGet($"{Root}/{operation.Name}", (HttpContext http, AuditPool pool, AuditLimits limits) =>
                Answer(operation, http, pool, limits));
        app.MapGet($"{Root}/{AuditOperations.Events.Name}", (HttpContext http, EventFeed feed) => feed.Answer(http));
        app.MapGet(AuditGate.DocumentPath, () => Results.Text(AuditDocument.Text, "application/json"));
        return app;
    }

    private static async Task Answer(AuditOperation operation, HttpContext http, AuditPool pool, AuditLimits limits)
    {
        var ct = http.RequestAborted;
        var ask = operation.Prepare!(AuditQuery.Read(http.Request.Query, operation.Parameters));
        using var fold = operation.IsFold ? limits.TryFold() : null;
        if (operation.IsFold && fold is null)
        {
            await AuditProblem.Write(http, StatusCodes.Status429TooManyRequests, AuditLimits.TooManyFolds, AuditLimits.RetryAfter);
            return;
        }
        object answer;
        await using (var connection = await pool.Open(ct))
            answer = await ask(new LogAnswers(connection), ct);
        await http.Response.WriteAsJsonAsync(answer, operation.Answer, AuditJson.Options, ct);
    }
}
