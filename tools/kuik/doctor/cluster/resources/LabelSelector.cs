namespace Kuik.CommandLine.Doctor;

internal sealed record LabelSelector(
    IReadOnlyDictionary<string, string>? MatchLabels = null, IReadOnlyList<LabelRequirement>? MatchExpressions = null)
{
    /// <summary>Selects an object with these labels.</summary>
    public bool Matches(IReadOnlyDictionary<string, string>? labels) =>
        (MatchLabels ?? new Dictionary<string, string>()).All(label => labels?.GetValueOrDefault(label.Key) == label.Value)
        && (MatchExpressions ?? []).All(requirement => requirement.Holds(labels));
}

internal sealed record LabelRequirement(string Key, string Operator, IReadOnlyList<string>? Values = null)
{
    internal bool Holds(IReadOnlyDictionary<string, string>? labels)
    {
        var value = labels?.GetValueOrDefault(Key);
        return Operator switch
        {
            "In" => value is not null && Values?.Contains(value) == true,
            "NotIn" => value is null || Values?.Contains(value) != true,
            "Exists" => value is not null,
            "DoesNotExist" => value is null,
            _ => false,
        };
    }
}
