using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>
/// The state of all images and of their users at one place in the log, from the log alone. Not thread-safe. It grows with the number of
/// images and of live users, not with the number of events.
/// </summary>
public sealed class ReplayedState
{
    private const string ImageStreams = "image/";

    private readonly Dictionary<string, ImageRecord> _images = [];
    private readonly Dictionary<string, UserRecord> _users = [];
    private readonly Dictionary<string, string> _texts = [];

    /// <summary>The images by their normalised reference, those that have left the cache included.</summary>
    public IReadOnlyDictionary<string, ImageRecord> Images => _images;

    /// <summary>The pods and workloads that exist, by their user key.</summary>
    public IReadOnlyDictionary<string, UserRecord> Users => _users;

    /// <summary>The sequence number of the last event.</summary>
    public long Sequence { get; private set; }

    /// <summary>UTC: when the last event was recorded; null before the first.</summary>
    public DateTimeOffset? RecordedAt { get; private set; }

    /// <summary>The number of events, those that could not be read included.</summary>
    public long Events { get; private set; }

    /// <summary>The number of events that this version does not know or cannot read, by type.</summary>
    public IReadOnlyDictionary<string, int> Unreadable => _unreadable;

    private readonly SortedDictionary<string, int> _unreadable = new(StringComparer.Ordinal);

    /// <summary>Applies the next event of the log.</summary>
    public void Apply(RecordedEvent one)
    {
        (Sequence, RecordedAt, Events) = (one.Sequence, one.RecordedAt, Events + 1);
        if (one.Fact is null)
            _unreadable[one.Type] = _unreadable.GetValueOrDefault(one.Type) + 1;
        if (one.Stream.StartsWith(ImageStreams, StringComparison.Ordinal))
        {
            var image = Pooled(StreamName.ImageOf(one.Stream));
            _images[image] = ImageRecord.Fold(_images.GetValueOrDefault(image) ?? new ImageRecord(image), one);
        }
        else if (UserRecord.Read(one.Fact) is { } use)
        {
            if (use.User is null)
                _users.Remove(use.Key);
            else
                _users[use.Key] = Pooled(use.User);
        }
    }

    /// <summary>The image of a stream, if it has had an event; null for other streams.</summary>
    internal string? FindImage(string stream) => stream.StartsWith(ImageStreams, StringComparison.Ordinal)
        && _images.TryGetValue(StreamName.ImageOf(stream), out var record) ? record.Image : null;

    /// <summary>The state at another place does not change with this one.</summary>
    public ReplayedState Copy()
    {
        var copy = new ReplayedState { Sequence = Sequence, RecordedAt = RecordedAt, Events = Events };
        foreach (var (image, record) in _images)
            copy._images.Add(image, record);
        foreach (var (key, user) in _users)
            copy._users.Add(key, user);
        foreach (var (type, count) in _unreadable)
            copy._unreadable.Add(type, count);
        return copy;
    }

    /// <summary>The number of users of each image; images without users are left out.</summary>
    public IReadOnlyDictionary<string, int> UserCounts() =>
        _users.Values.SelectMany(user => user.References).CountBy(image => image).ToDictionary();

    /// <summary>The users of an image, by namespace, name and key.</summary>
    public IReadOnlyList<UserRecord> UsersOf(string image) =>
    [
        .. _users.Values.Where(user => user.Images.Any(one => one.Image == image))
            .OrderBy(user => user.Namespace, StringComparer.Ordinal).ThenBy(user => user.Name, StringComparer.Ordinal)
            .ThenBy(user => user.Key, StringComparer.Ordinal),
    ];

    // Ten thousand pods name the same images, nodes and secrets: each text is kept once.
    private UserRecord Pooled(UserRecord user) => user with
    {
        Namespace = Pooled(user.Namespace),
        Node = user.Node is null ? null : Pooled(user.Node),
        Owner = user.Owner is null ? null : Pooled(user.Owner),
        ServiceAccount = user.ServiceAccount is null ? null : Pooled(user.ServiceAccount),
        PullSecrets = user.PullSecrets.Count == 0 ? [] : [.. user.PullSecrets.Select(Pooled)],
        Images = [.. user.Images.Select(one => one with
        {
            Container = Pooled(one.Container),
            Image = Pooled(one.Image),
            WrittenAs = Pooled(one.WrittenAs),
            Digest = one.Digest is null ? null : Pooled(one.Digest),
        })],
    };

    private string Pooled(string text)
    {
        if (_texts.TryGetValue(text, out var known))
            return known;
        _texts.Add(text, text);
        return text;
    }
}
