using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>The OpenAPI 3.1 document, made from the same table as the endpoints and from the types of their answers.</summary>
internal static class AuditDocument
{
    private static readonly Lazy<string> Made = new(() => Make().ToJsonString(AuditJson.Options));

    /// <summary>The document as JSON.</summary>
    public static string Text => Made.Value;

    private static JsonObject Make()
    {
        var paths = new JsonObject();
        foreach (var operation in AuditOperations.Questions.Append(AuditOperations.Events))
            paths[$"/audit/v1/{operation.Name}"] = new JsonObject { ["get"] = Describe(operation) };
        return new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject { ["title"] = "Kuik audit API", ["version"] = "v1" },
            ["security"] = new JsonArray(Requirement("bearer"), Requirement("header")),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject
                {
                    ["bearer"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" },
                    ["header"] = new JsonObject { ["type"] = "apiKey", ["in"] = "header", ["name"] = "X-Kuik-Token" },
                },
            },
        };
    }

    private static JsonObject Requirement(string scheme) => new() { [scheme] = new JsonArray() };

    private static JsonObject Describe(AuditOperation operation)
    {
        var content = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = SchemaOf(operation.Answer) } };
        if (operation == AuditOperations.Events)
            content[EventFeed.StreamType] = new JsonObject { ["schema"] = SchemaOf(typeof(EventLine)) };
        var responses = new JsonObject { ["200"] = new JsonObject { ["description"] = "The answer.", ["content"] = content } };
        foreach (var (status, description) in Problems(operation))
            responses[status] = new JsonObject
            {
                ["description"] = description,
                ["content"] = new JsonObject { ["application/problem+json"] = new JsonObject() },
            };
        return new JsonObject
        {
            ["operationId"] = operation.Name,
            ["summary"] = operation.Summary,
            ["parameters"] = new JsonArray([.. operation.Parameters.Select(Describe)]),
            ["responses"] = responses,
        };
    }

    private static JsonNode Describe(AuditParameter parameter) => new JsonObject
    {
        ["name"] = parameter.Name,
        ["in"] = "query",
        ["required"] = parameter.IsRequired,
        ["description"] = parameter.Description,
        ["schema"] = new JsonObject { ["type"] = parameter.Type },
    };

    private static IEnumerable<(string Status, string Description)> Problems(AuditOperation operation)
    {
        yield return ("400", "A parameter is not accepted.");
        yield return ("401", "Kubernetes does not accept the token.");
        yield return ("403", "The user has no right to see it.");
        if (operation.IsOfNamespace)
            yield return ("404", "Nothing in the namespace uses the image.");
        if (operation.IsFold || operation.Parameters.Any(parameter => parameter.Name == "at"))
            yield return ("410", "The log does not have that time any more.");
        if (operation.IsFold || operation == AuditOperations.Events)
            yield return ("429", "Too many are asked at once; Retry-After says when to ask again.");
        yield return ("503", "Kubernetes or Postgres does not answer.");
    }

    private static JsonNode SchemaOf(Type type)
    {
        AuditJson.Options.MakeReadOnly(populateMissingResolver: true);   // as its first use by the serializer does
        return AuditJson.Options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true });
    }
}
