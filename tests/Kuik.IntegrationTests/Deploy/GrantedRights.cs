using System.Text.Json.Nodes;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Deploy;

/// <summary>One thing that RBAC lets a ServiceAccount do. A wildcard is taken literally: it covers no call.</summary>
/// <param name="Account">As <c>namespace/name</c>.</param>
/// <param name="Verb">For example <c>get</c>.</param>
/// <param name="Group">Empty for the core group.</param>
/// <param name="Resource">With its subresource.</param>
/// <param name="Namespace">Null: in all, and on what is in none.</param>
/// <param name="Name">Null: of any name.</param>
internal sealed record GrantedRight(string Account, string Verb, string Group, string Resource, string? Namespace, string? Name)
{
    public bool Covers(ApiCall call) => (call.Account, call.Verb, call.Group, call.Resource) == (Account, Verb, Group, Resource)
        && (Namespace is null || Namespace == call.Namespace) && (Name is null || Name == call.Name);
}

/// <summary>All that the bindings and roles of a cluster let ServiceAccounts do, compared with what these do.</summary>
internal sealed record GrantedRights(IReadOnlyList<GrantedRight> Rights)
{
    /// <summary>Reads those of Kuik.</summary>
    public static async Task<GrantedRights> Read(KubernetesApi api) => Of(JsonNode.Parse(await api.Kubectl(
        "get", "clusterroles,clusterrolebindings,roles,rolebindings", "--all-namespaces",
        "-l", "app.kubernetes.io/part-of=kuik", "-o", "json"))!);

    /// <summary>Reads a list of roles and bindings.</summary>
    public static GrantedRights Of(JsonNode list)
    {
        var items = list["items"]!.AsArray().Select(item => item!).ToList();
        var roles = items.Where(item => item["rules"] is not null).ToDictionary(item => Key((string)item["kind"]!, item));
        return new([.. items.Where(item => item["roleRef"] is not null)
            .SelectMany(binding => Of(binding, roles[Key((string)binding["roleRef"]!["kind"]!, binding["roleRef"]!, binding)]))]);
    }

    /// <summary>Calls that no right covers.</summary>
    public IReadOnlyList<ApiCall> Uncovered(IEnumerable<ApiCall> calls) =>
        [.. calls.Where(call => !Rights.Any(right => right.Covers(call))).Distinct()];

    /// <summary>Rights that no call has used.</summary>
    public IReadOnlyList<GrantedRight> Unused(IReadOnlyList<ApiCall> calls) => [.. Rights.Where(right => !calls.Any(right.Covers))];

    private static IEnumerable<GrantedRight> Of(JsonNode binding, JsonNode role) =>
        from subject in binding["subjects"]!.AsArray()
        let account = $"{subject["namespace"]}/{subject["name"]}"
        from rule in role["rules"]!.AsArray()
        from verb in Texts(rule["verbs"])
        from @group in Texts(rule["apiGroups"])
        from resource in Texts(rule["resources"])
        from name in rule["resourceNames"] is { } names ? Texts(names) : [null]
        select new GrantedRight(account, verb!, @group!, resource!, (string?)binding["metadata"]!["namespace"], name);

    private static IEnumerable<string?> Texts(JsonNode? list) => list!.AsArray().Select(text => (string?)text);

    private static string Key(string kind, JsonNode role) => $"{kind} {role["metadata"]!["namespace"]}/{role["metadata"]!["name"]}";

    private static string Key(string kind, JsonNode reference, JsonNode binding) =>
        $"{kind} {(kind == "Role" ? binding["metadata"]!["namespace"] : null)}/{reference["name"]}";
}
