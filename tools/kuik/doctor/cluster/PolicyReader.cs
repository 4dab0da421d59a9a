using System.Text.Json.Nodes;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>Reads the rules of Kyverno and Gatekeeper about the names of images, as far as they deny pods.</summary>
/// <param name="api">The cluster.</param>
internal sealed class PolicyReader(KubernetesApi api)
{
    private const string Constraints = "apis/constraints.gatekeeper.sh/v1beta1";

    /// <summary>All rules; none where neither engine is installed.</summary>
    public Task<Reading<IReadOnlyList<ImageRule>>> Read(CancellationToken ct) => ClusterReader.Try<IReadOnlyList<ImageRule>>(
        async () => [.. await ReadKyverno(ct), .. await ReadGatekeeper(ct)], ct);

    private async Task<IEnumerable<ImageRule>> ReadKyverno(CancellationToken ct) =>
        (await Items("apis/kyverno.io/v1/clusterpolicies", ct)).Select(KyvernoRule).OfType<ImageRule>();

    private async Task<IEnumerable<ImageRule>> ReadGatekeeper(CancellationToken ct)
    {
        var kinds = await api.TryGet(Constraints, DoctorJson.Default.JsonObject, ct);
        var rules = new List<ImageRule>();
        foreach (var kind in Elements(kinds?["resources"]).Select(resource => (string?)resource?["name"]).OfType<string>())
            if (!kind.Contains('/', StringComparison.Ordinal))
                rules.AddRange((await Items($"{Constraints}/{kind}", ct)).Select(GatekeeperRule).OfType<ImageRule>());
        return rules;
    }

    private async Task<IEnumerable<JsonNode>> Items(string path, CancellationToken ct) =>
        Elements((await api.TryGet(path, DoctorJson.Default.JsonObject, ct))?["items"]).OfType<JsonNode>();

    /// <summary>The images that a ClusterPolicy allows; null when it denies none by its name.</summary>
    internal static ImageRule? KyvernoRule(JsonNode policy)
    {
        var everywhere = IsEnforced(policy["spec"]?["validationFailureAction"]);
        var allowed = Elements(policy["spec"]?["rules"]).Select(rule => rule?["validate"]).OfType<JsonNode>()
            .Where(validate => validate["failureAction"] is { } own ? IsEnforced(own) : everywhere)
            .SelectMany(validate => ImagesIn(validate)).SelectMany(pattern => pattern.Split('|', StringSplitOptions.TrimEntries))
                .Distinct().ToList();
        return allowed.Count > 0 ? new ImageRule($"ClusterPolicy {NameOf(policy)}", allowed) : null;
    }

    /// <summary>The images that a constraint allows; null when it denies none by its name.</summary>
    internal static ImageRule? GatekeeperRule(JsonNode constraint)
    {
        var parameters = constraint["spec"]?["parameters"];
        var allowed = Elements(parameters?["repos"]).Concat(Elements(parameters?["allowedImages"]))
            .OfType<JsonValue>().Select(one => one.ToString()).ToList();
        return allowed.Count > 0 && ((string?)constraint["spec"]?["enforcementAction"] ?? "deny") == "deny"
            ? new ImageRule($"{(string?)constraint["kind"]} {NameOf(constraint)}", allowed)
            : null;
    }

    private static IEnumerable<string> ImagesIn(JsonNode? node) => node switch
    {
        // Kyverno's anchors surround a name: =(image), ^(image).
        JsonObject fields => fields.SelectMany(field =>
            field.Value is JsonValue text && field.Key.Trim('=', '^', '<', '+', '(', ')') == "image" ? [text.ToString()]
                : ImagesIn(field.Value)),
        JsonArray items => items.SelectMany(ImagesIn),
        _ => [],
    };

    private static bool IsEnforced(JsonNode? action) => string.Equals((string?)action, "enforce", StringComparison.OrdinalIgnoreCase);

    private static string NameOf(JsonNode resource) => (string?)resource["metadata"]?["name"] ?? "";

    private static IEnumerable<JsonNode?> Elements(JsonNode? list) => list as JsonArray ?? [];
}
