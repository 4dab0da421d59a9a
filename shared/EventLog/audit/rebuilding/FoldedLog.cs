using Kuik.Contracts;

namespace Kuik.EventLog.Audit;

/// <summary>The content of all projections by the log: what <see cref="ReplayedState"/> has, the views of images and the configurations of
/// repositories. Not thread-safe.</summary>
internal sealed class FoldedLog
{
    private static readonly HashSet<Type> OfViews = [.. ImageStateRefresher.Facts];

    private readonly Dictionary<string, ImageView> _views = [];
    private readonly Dictionary<string, RepositoryConfiguration> _repositories = [];

    /// <summary>Images and users.</summary>
    public ReplayedState State { get; } = new();

    /// <summary>The views by their image's reference.</summary>
    public IReadOnlyDictionary<string, ImageView> Views => _views;

    /// <summary>The configurations by repository.</summary>
    public IReadOnlyDictionary<string, RepositoryConfiguration> Repositories => _repositories;

    /// <summary>Gets the users, images and repositories of the events that are applied; null for none.</summary>
    public TouchedKeys? Touched { get; set; }

    /// <summary>Applies the next event of the log.</summary>
    public void Apply(RecordedEvent one)
    {
        State.Apply(one);
        if (UserRecord.Read(one.Fact) is { } use)
            Touched?.Users.Add(use.Key);
        else if (one.Fact is RepositoryConfigured configured)
        {
            Touched?.Repositories.Add(configured.Repository);
            _repositories[configured.Repository] = RepositoryConfiguration.Fold(RepositoryConfiguration.Initial, configured);
        }
        else if (State.FindImage(one.Stream) is { } image)
        {
            Touched?.Images.Add(image);
            if (one.Fact is { } fact && OfViews.Contains(fact.GetType()))
                _views[image] = ImageView.Fold(_views.GetValueOrDefault(image), one.Stream, one.Sequence, fact);
        }
    }

    /// <summary>False for an image with events of a newer version: this version does not know what follows from them.</summary>
    public bool IsReadable(string image) => State.Images.GetValueOrDefault(image) is not { Unreadable: > 0 };
}
