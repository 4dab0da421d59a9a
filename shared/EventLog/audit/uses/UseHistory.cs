using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>Folds the events of pods and workloads into uses. It grows with the live users and the listed uses, not with the log. Not
/// thread-safe.</summary>
/// <param name="filter">The uses to list.</param>
/// <param name="after">Uses that ended up to this sequence number are left out.</param>
public sealed class UseHistory(UseFilter filter, long after)
{
    private readonly Dictionary<string, List<ImageUse>> _live = [];
    private readonly List<ImageUse> _ended = [];

    /// <summary>The types of the events to apply.</summary>
    public static readonly IReadOnlyCollection<string> Types =
        [nameof(PodObserved), nameof(PodGone), nameof(WorkloadObserved), nameof(WorkloadGone)];

    /// <summary>The uses by their beginning.</summary>
    public IReadOnlyList<ImageUse> Uses =>
    [
        .. _ended.Concat(_live.Values.SelectMany(uses => uses).Where(filter.Covers)).OrderBy(use => use.From)
            .ThenBy(use => use.User, StringComparer.Ordinal).ThenBy(use => use.Container, StringComparer.Ordinal),
    ];

    /// <summary>The number of uses that are listed whatever comes.</summary>
    public int EndedCount => _ended.Count;

    /// <summary>Applies the next event.</summary>
    public void Apply(RecordedEvent one)
    {
        if (UserRecord.Read(one.Fact) is not var (key, user))
            return;
        var before = _live.GetValueOrDefault(key) ?? [];
        var now = user is null ? [] : ImageUse.Of(user, one.RecordedAt).Select(use => Continue(before, use)).ToList();
        foreach (var use in before.Where(use => !now.Exists(next => IsSame(use, next))))
            if (one.Sequence > after && filter.Covers(use))
                _ended.Add(use with { To = one.RecordedAt });
        if (now.Count > 0)
            _live[key] = now;
        else
            _live.Remove(key);
    }

    // The node and the digest become known after the beginning. Another digest under the same tag is another use.
    private static ImageUse Continue(List<ImageUse> before, ImageUse use) =>
        before.Find(earlier => IsSame(earlier, use)) is { } same ? use with { From = same.From, Digest = use.Digest ?? same.Digest } : use;

    private static bool IsSame(ImageUse one, ImageUse next) => one.Image == next.Image && one.Container == next.Container
        && (one.Digest is null || next.Digest is null || one.Digest == next.Digest);
}
