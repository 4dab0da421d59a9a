namespace Kuik.PodWatcher;

/// <summary>The evidence that a pod or workload does not exist, or is not followed any more.</summary>
/// <param name="Reason">A value of <see cref="Contracts.PodGone.Reason"/>.</param>
/// <param name="Last">Its last observed state; null when the evidence is a list.</param>
/// <param name="Version">The resourceVersion at which it did not exist; null when that is not a number.</param>
internal sealed record UserAbsence(string Reason, LiveUser? Last, long? Version)
{
    /// <summary>A complete list does not contain it.</summary>
    public const string Absent = nameof(Absent);

    /// <summary>The watch reported its deletion.</summary>
    public const string Deleted = nameof(Deleted);

    /// <summary>It exists and is not followed any more.</summary>
    public const string LabelRemoved = nameof(LabelRemoved);

    /// <summary>Its kind is not among <c>Kuik:FollowedWorkloads</c>.</summary>
    public const string NotFollowed = nameof(NotFollowed);
}
