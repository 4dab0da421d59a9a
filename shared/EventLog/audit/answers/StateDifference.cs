namespace Kuik.EventLog.Audit;

/// <summary>A difference between the states at two places in the log.</summary>
/// <param name="Change"><c>+</c> for what is new, <c>-</c> for what is gone, <c>~</c> for what has changed.</param>
/// <param name="Kind"><c>image</c> or <c>user</c>.</param>
/// <param name="Subject">The image, or the pod or workload.</param>
/// <param name="Before">The state at the first place; null when it was unknown there.</param>
/// <param name="After">The state at the second place; null when it is gone there.</param>
public sealed record StateDifference(char Change, string Kind, string Subject, string? Before, string? After)
{
    /// <summary>The differences, images first, by name.</summary>
    public static IReadOnlyList<StateDifference> Between(ReplayedState before, ReplayedState after) =>
    [
        .. Between("image", before.Images, after.Images, image => image.Image, Describe),
        .. Between("user", before.Users, after.Users, NameOf, user => string.Join(", ", user.References)),
    ];

    private static IEnumerable<StateDifference> Between<T>(
        string kind, IReadOnlyDictionary<string, T> before, IReadOnlyDictionary<string, T> after,
            Func<T, string> name, Func<T, string> describe)
        where T : class =>
        before.Keys.Union(after.Keys).Order(StringComparer.Ordinal)
            .Select(key => Of(kind, before.GetValueOrDefault(key), after.GetValueOrDefault(key), name, describe))
            .OfType<StateDifference>();

    private static StateDifference? Of<T>(string kind, T? before, T? after, Func<T, string> name, Func<T, string> describe) where T : class
    {
        if (ReferenceEquals(before, after))
            return null;
        var (was, now) = (before is null ? null : describe(before), after is null ? null : describe(after));
        return was == now
            ? null
            : new StateDifference(before is null ? '+' : after is null ? '-' : '~', kind, name((after ?? before)!), was, now);
    }

    private static string NameOf(UserRecord user) => $"{user.Kind} {user.Namespace}/{user.Name}";

    private static string Describe(ImageRecord image) => string.Join(", ", new[]
    {
        image.State.Phase.ToString(),
        image.State.Digest,
        image.State.IsRetained ? "retained" : null,
        image.State.IsForgotten ? "forgotten" : null,
        image.State.UnusedSince is null ? null : "unused",
    }.OfType<string>());
}
