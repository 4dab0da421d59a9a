using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.Tests.Expiry.Audit;

/// <summary>A Kubernetes API that answers reviews and nothing else: the user of a token is its text, unless it begins with
/// <c>bad</c>.</summary>
internal sealed class ReviewingKubernetes : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ReviewingKubernetes(WebApplication app) => _app = app;

    /// <summary>User, verb and namespace, empty for the whole cluster, of the rights that are given.</summary>
    public ConcurrentDictionary<(string User, string Verb, string Namespace), bool> Rights { get; } = new();

    public string Kubeconfig { get; private set; } = "";

    public static async Task<ReviewingKubernetes> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.ListenOnFreePort(null);
        var app = builder.Build();
        var kubernetes = new ReviewingKubernetes(app);
        app.MapPost("/apis/authentication.k8s.io/v1/tokenreviews", (JsonObject review) => ReviewToken(review));
        app.MapPost("/apis/authorization.k8s.io/v1/subjectaccessreviews", (JsonObject review) => kubernetes.ReviewAccess(review));
        await app.StartAsync();
        kubernetes.Kubeconfig = Path.Combine(Sandbox.Shared.NewFolder("reviews"), "kubeconfig");
        await File.WriteAllTextAsync(kubernetes.Kubeconfig, $$"""
            apiVersion: v1
            kind: Config
            current-context: it
            clusters: [{name: it, cluster: {server: "{{app.Urls.First()}}"} }]
            users: [{name: it, user: {token: "own"} }]
            contexts: [{name: it, context: {cluster: it, user: it} }]
            """);
        return kubernetes;
    }

    public Task Stop() => _app.StopAsync();

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private static IResult ReviewToken(JsonObject review)
    {
        var token = (string)review["spec"]!["token"]!;
        review["status"] = token.StartsWith("bad", StringComparison.Ordinal)
            ? new JsonObject { ["error"] = "invalid bearer token" }
            : new JsonObject
            {
                ["authenticated"] = true,
                ["user"] = new JsonObject { ["username"] = token, ["groups"] = new JsonArray("system:authenticated") },
            };
        return Results.Json(review, statusCode: 201);
    }

    private IResult ReviewAccess(JsonObject review)
    {
        var (spec, right) = (review["spec"]!, review["spec"]!["resourceAttributes"]!);
        var isAllowed = ((string?)right["group"], (string?)right["resource"]) == ("kuik.enix.io", "audits")
            && Rights.GetValueOrDefault(((string)spec["user"]!, (string)right["verb"]!, (string?)right["namespace"] ?? ""));
        review["status"] = new JsonObject { ["allowed"] = isAllowed };
        return Results.Json(review, statusCode: 201);
    }
}
