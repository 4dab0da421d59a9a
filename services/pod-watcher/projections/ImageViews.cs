using System.Collections.Concurrent;
using System.Collections.Immutable;
using Kuik.Contracts;
using Kuik.EventLog;
using Marten;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>The <see cref="ImageView"/>s in memory: at first those of images that have a CachedImage, then every changed one. The view of
/// an image that was evicted before is read on demand.</summary>
internal sealed class ImageViews(IDocumentStore store, NpgsqlDataSource postgres)
{
    private const int ViewsARead = 1000;

    private readonly ConcurrentDictionary<string, ImageView> _byImage = new();
    private readonly ConcurrentDictionary<string, string> _imageByName = new();
    private readonly ConcurrentDictionary<string, ImmutableHashSet<string>> _imagesByRepository = new();
    private readonly Pool<IReadOnlyList<string>> _lists = new(new ListComparer<string>());
    private long? _readUpTo;
    private long _rebuild;
    private long? _lastAtFirst;

    /// <summary>All views in memory.</summary>
    public IEnumerable<ImageView> All => _byImage.Values;

    /// <summary>The view of an image; null when none has been projected yet, or it was evicted before this replica became leader.</summary>
    public ImageView? Find(string image) => _byImage.GetValueOrDefault(image);

    /// <summary>The image whose CachedImage has this name; null when none has.</summary>
    public string? ImageNamed(string name) => _imageByName.GetValueOrDefault(name);

    /// <summary>The repositories of all images, with their hosts.</summary>
    public IEnumerable<string> Repositories => _imagesByRepository.Keys;

    /// <summary>The images of a repository that have a CachedImage, or should have one.</summary>
    public IReadOnlyCollection<ImageView> InRepository(string repository) =>
        [.. _imagesByRepository.GetValueOrDefault(repository)?.Select(Find).OfType<ImageView>()
            .Where(view => view.ShownSequence is not null) ?? []];

    /// <summary>The views of these images, as far as they have one.</summary>
    public async Task<IReadOnlyList<ImageView>> Read(IReadOnlyCollection<string> images, CancellationToken ct)
    {
        string[] unread = [.. images.Where(image => !_byImage.ContainsKey(image)).Select(StreamName.OfImage)];
        if (unread.Length > 0)
        {
            await using var session = store.QuerySession();
            foreach (var view in (await session.LoadManyAsync<ImageView>(ct, unread)).Select(ToKeep))
            {
                if (_byImage.TryAdd(view.Image, view))
                    Index(view);
            }
        }
        return [.. images.Select(Find).OfType<ImageView>()];
    }

    /// <summary>True when all events have been projected that were in the log at the first call. Before that, a view may show an intent
    /// that a person has withdrawn since.</summary>
    public async Task<bool> AreCurrent(CancellationToken ct)
    {
        _lastAtFirst ??= await Number("select max(seq_id) from kuik.mt_events", ct);
        return await Number($"select last_seq_id from kuik.mt_event_progression where name = '{ImageView.ProjectionName}:All'",
            ct) >= _lastAtFirst;
    }

    /// <summary>Reads the views that changed since the last call; in the first call those of all images with a CachedImage, and in the
    /// first one after <c>kuik rebuild</c> these and all that are in memory.</summary>
    /// <returns>The images whose views changed.</returns>
    public async Task<IReadOnlyList<string>> Refresh(CancellationToken ct)
    {
        var images = new List<string>();
        var rebuild = await Number(Rebuilds.LastQuery, ct);
        await using var session = store.QuerySession();
        if (_readUpTo is null)
            _readUpTo = await ReadShown(session, images, ct);
        else if (rebuild != _rebuild)
            _readUpTo = await ReadRebuilt(session, images, _readUpTo.Value, ct);
        _rebuild = rebuild;
        var after = _readUpTo.Value;
        await ReadPages(images, () => session.Query<ImageView>().Where(view => view.Sequence > after).OrderBy(view => view.Sequence),
            view => _readUpTo = after = view.Sequence, ct);
        return images;
    }

    // A rebuild may have changed views whose last event was read long ago, also of images without a CachedImage. What was projected since
    // the last call is still to be read, and a wrong view may have had a number above it.
    private async Task<long> ReadRebuilt(IQuerySession session, List<string> images, long readUpTo, CancellationToken ct)
    {
        var highest = await ReadShown(session, images, ct);
        var read = images.ToHashSet();
        foreach (var page in _byImage.Keys.Where(image => !read.Contains(image)).Select(StreamName.OfImage).Chunk(ViewsARead))
            foreach (var view in await session.LoadManyAsync<ImageView>(ct, page))
                Keep(view, images);
        return Math.Min(highest, readUpTo);
    }

    // Views that are projected meanwhile are read by the next call: their sequence is above the highest one that was read before.
    private async Task<long> ReadShown(IQuerySession session, List<string> images, CancellationToken ct)
    {
        var highest = await session.Query<ImageView>().OrderByDescending(view => view.Sequence).Select(view => view.Sequence)
            .FirstOrDefaultAsync(ct);
        long? after = 0;
        await ReadPages(images,
            () => session.Query<ImageView>().Where(view => view.ShownSequence > after).OrderBy(view => view.ShownSequence),
            view => after = view.Sequence, ct);
        return highest;
    }

    private async Task ReadPages(
        List<string> images, Func<IQueryable<ImageView>> next, Action<ImageView> wasRead, CancellationToken ct)
    {
        while (true)
        {
            var page = await next().Take(ViewsARead).ToListAsync(ct);
            foreach (var view in page)
            {
                Keep(view, images);
                wasRead(view);
            }
            if (page.Count < ViewsARead)
                return;
        }
    }

    private void Keep(ImageView read, List<string> images)
    {
        var view = ToKeep(read);
        _byImage[view.Image] = view;
        Index(view);
        images.Add(view.Image);
    }

    private ImageView ToKeep(ImageView view) => view.WithSharedTexts(_lists);

    private async Task<long> Number(string sql, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(sql);
        return await command.ExecuteScalarAsync(ct) as long? ?? 0;
    }

    private void Index(ImageView view)
    {
        if (view.ObjectName is { } name)
            _imageByName[name] = view.Image;
        _imagesByRepository.AddOrUpdate(
            SharedTexts.Get(ImageReference.Parse(view.Image).Name), _ => [view.Image], (_, images) => images.Add(view.Image));
    }
}
