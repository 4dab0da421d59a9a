using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>A request to the Kubernetes API that was answered.</summary>
/// <param name="Account">The ServiceAccount, as <c>namespace/name</c>.</param>
/// <param name="Verb">As RBAC names it: <c>get</c>, <c>list</c>, <c>watch</c>, <c>create</c> and so on.</param>
/// <param name="Group">The API group; empty for the core group.</param>
/// <param name="Resource">With its subresource, as <c>cachedimages/status</c>; the path of a request that is about no resource.</param>
/// <param name="Namespace">Null for all, and for what is in none.</param>
/// <param name="Name">Null for a list, a watch of a list and a new object.</param>
/// <param name="Status">Of HTTP.</param>
public sealed record ApiCall(string Account, string Verb, string Group, string Resource, string? Namespace, string? Name, int Status)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Account}: {Verb} {Resource}{(Group.Length == 0 ? "" : $".{Group}")} {Namespace}/{Name} was answered {Status}";
}

/// <summary>The audit log of a kube-apiserver.</summary>
internal static class AuditLog
{
    private const string OfAccounts = "system:serviceaccount:";

    /// <summary>The requests of ServiceAccounts in it. A patch that has created its object is followed by a <c>create</c>, for which the
    /// API server wants a right as well.</summary>
    public static IReadOnlyList<ApiCall> Read(string file)
    {
        if (!File.Exists(file))
            return [];   // the API server makes it with its first line
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var text = reader.ReadToEnd();
        var complete = text[..(text.LastIndexOf('\n') + 1)];   // the last line may be half written
        return [.. complete.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).SelectMany(CallsOf)];
    }

    private static IEnumerable<ApiCall> CallsOf(JsonNode entry)
    {
        if ((string)entry["user"]!["username"]! is not { } user || !user.StartsWith(OfAccounts, StringComparison.Ordinal))
            yield break;
        var about = entry["objectRef"];
        var resource = about is null ? (string)entry["requestURI"]! : (string)about["resource"]!;
        var subresource = (string?)about?["subresource"];
        var call = new ApiCall(
            user[OfAccounts.Length..].Replace(':', '/'), (string)entry["verb"]!, (string?)about?["apiGroup"] ?? "",
            subresource is null ? resource : $"{resource}/{subresource}", (string?)about?["namespace"], (string?)about?["name"],
            (int?)entry["responseStatus"]?["code"] ?? 0);
        yield return call;
        if (call is { Verb: "patch", Status: 201 })
            yield return call with { Verb = "create" };
    }
}
