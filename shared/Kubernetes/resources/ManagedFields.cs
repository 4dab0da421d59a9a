namespace Kuik.Kubernetes;

/// <summary>The fields of an object that one manager owns.</summary>
/// <param name="Manager">For example <c>kubectl-create</c>.</param>
/// <param name="Operation"><c>Apply</c> or <c>Update</c>.</param>
/// <param name="FieldsV1">A tree of <c>f:</c> names.</param>
public sealed record ManagedFields(string? Manager, string? Operation, System.Text.Json.JsonElement? FieldsV1)
{
    /// <summary>True when the manager owns this field.</summary>
    /// <param name="path">From the object's root: <c>spec</c>, <c>retain</c>.</param>
    public bool Owns(params ReadOnlySpan<string> path)
    {
        if (FieldsV1 is not { ValueKind: System.Text.Json.JsonValueKind.Object } at)
            return false;
        foreach (var name in path)
            if (at.ValueKind != System.Text.Json.JsonValueKind.Object || !at.TryGetProperty("f:" + name, out at))
                return false;
        return true;
    }
}
