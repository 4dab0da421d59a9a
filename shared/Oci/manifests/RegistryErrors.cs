using System.Text.Json.Nodes;

namespace Kuik.Oci;

/// <summary>Error bodies as the OCI distribution specification has them (spec.md, "Error Codes").</summary>
public static class RegistryErrors
{
    /// <summary>Media type of an error body.</summary>
    public const string MediaType = "application/json";

    /// <summary><c>{"errors":[{"code":…,"message":…}]}</c></summary>
    /// <param name="code">For example <c>MANIFEST_UNKNOWN</c>.</param>
    /// <param name="message">One sentence for a person.</param>
    public static string Body(string code, string message) =>
        new JsonObject { ["errors"] = new JsonArray(new JsonObject { ["code"] = code, ["message"] = message }) }.ToJsonString();
}
