using System.Collections.Concurrent;
using System.Net.Http.Headers;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>
/// The manifest cache. Entries are kept for the repository in which they were asked for, and no longer than the settings say since their
/// source was asked, manifests by digest too: an evicted image is not to be served. If the source is unreachable, the last known
/// manifest is served (stale-if-error); if it answers 404, the entry is removed.
/// </summary>
internal sealed class ManifestCache(SourceChain sources, ManifestCacheOptions options, TimeProvider time)
{
    /// <summary>The overhead of an entry besides bytes and text, roughly.</summary>
    private const int Overhead = 700;

    private static readonly PullOutcome TooSlow = new(PullOutcome.Memory, "as last known; its source takes its time");

    private readonly SizeBoundedCache<ImageReference, KnownManifest> _manifests = new(options.LimitInBytes);
    private readonly SizeBoundedCache<Question, KnownManifest> _misses = new(options.LimitInBytes / 16);
    private readonly ConcurrentDictionary<Question, SingleFlightLookup> _underWay = new();
    private readonly long _start = time.GetTimestamp();

    /// <summary>The size of all entries, in bytes.</summary>
    public long SizeInBytes => _manifests.SizeInBytes + _misses.SizeInBytes;

    /// <summary>How many questions are being asked of the sources.</summary>
    public int UnderWay => _underWay.Count;

    private TimeSpan Now => time.GetElapsedTime(_start);

    /// <summary>The answer that can be given without asking; null when there is none.</summary>
    /// <param name="image">By tag or digest.</param>
    /// <param name="onlyHead">The client asks with HEAD.</param>
    public KnownManifest? Find(ImageReference image, bool onlyHead)
    {
        var now = Now;
        if (_manifests.Find(image) is { } known && known.CanAnswer(onlyHead) && known.Freshness.GoodUntil > now)
            return known;
        return _misses.Find(new Question(image, onlyHead)) is { } miss && miss.Freshness.GoodUntil > now ? miss : null;
    }

    /// <summary>Asks the sources, in single flight with other requests for the same manifest.</summary>
    /// <param name="image">By tag or digest.</param>
    /// <param name="onlyHead">The client asks with HEAD.</param>
    /// <param name="ct">The client is gone.</param>
    /// <returns>The answer, and how the pull ends with it.</returns>
    public async Task<(KnownManifest Known, PullOutcome Outcome)> Ask(ImageReference image, bool onlyHead, CancellationToken ct)
    {
        var asked = Now;
        while (true)
        {
            var last = Last(image, onlyHead);
            var lookup = Join(new Question(image, onlyHead), last);
            try
            {
                // 1. Where an older answer can be served, the new one is waited for only a moment, counted from the first waiter.
                var wait = last is null ? Timeout.InfiniteTimeSpan : options.StaleWait - (Now - lookup.Begun);
                if (last is not null && wait <= TimeSpan.Zero && !lookup.Answer.IsCompleted)
                    return (last, TooSlow);
                var known = await lookup.Answer.WaitAsync(wait, time, ct);

                // 2. The answer of a lookup that was joined late may be outdated: ask again.
                var freshness = known.Freshness;
                if (known == last)
                    return (known, freshness.FromMemory);
                if (freshness.AskedAt >= asked || freshness.GoodUntil > asked)
                    return (known, new PullOutcome(freshness.Source, freshness.Note));
            }
            catch (TimeoutException) when (last is not null)
            {
                return (last, TooSlow);
            }
            finally
            {
                lookup.Leave();
            }
        }
    }

    /// <summary>The entry to serve when its source does not answer.</summary>
    private KnownManifest? Last(ImageReference image, bool onlyHead) =>
        _manifests.Find(image) is { } known && known.CanAnswer(onlyHead) && Now - known.Freshness.AskedAt < options.StaleTime
            ? known
            : null;

    private SingleFlightLookup Join(Question question, KnownManifest? last)
    {
        while (true)
        {
            if (_underWay.TryGetValue(question, out var current) && current.TryJoin())
                return current;
            var own = new SingleFlightLookup(Now, goesOn: last is not null);
            if (current is null ? !_underWay.TryAdd(question, own) : !_underWay.TryUpdate(question, own, current))
                continue;
            _ = own.Complete(stop => LookUp(question, last, own, stop));
            return own;
        }
    }

    private async Task<KnownManifest> LookUp(Question question, KnownManifest? last, SingleFlightLookup own, CancellationToken ct)
    {
        try
        {
            var sourceResult = await sources.Find(question.Image, question.OnlyHead, last?.Freshness.Source, ct);
            switch (sourceResult.Answer)
            {
                case null:
                    last!.Freshness = last.Freshness with
                    {
                        GoodUntil = Now + options.ManifestTime,
                        Note = $"as last known; {sourceResult.Note}"
                    };
                    return last;
                case Answer.ManifestAnswer manifest:
                    var freshness = new Freshness(sourceResult.Source, own.Begun, own.Begun + options.ManifestTime, "");
                    if (question.Image.Digest is null)
                        Keep(question.Image.With(manifest.Digest), manifest, freshness);
                    Keep(question.Image, manifest, freshness);
                    return new KnownManifest(manifest, freshness with { Note = sourceResult.Note });
                default:
                    _manifests.Forget(question.Image);
                    return KeepMiss(question, (Answer.Refused)sourceResult.Answer,
                        new Freshness(sourceResult.Source, own.Begun, own.Begun, sourceResult.Note));
            }
        }
        finally
        {
            _underWay.TryRemove(KeyValuePair.Create(question, own));
        }
    }

    private void Keep(ImageReference image, Answer.ManifestAnswer manifest, Freshness freshness)
    {
        if (_manifests.Find(image) is { } known && known.Manifest!.Digest == manifest.Digest
            && (known.Manifest.Bytes is not null || manifest.Bytes is null))
            known.Freshness = freshness;
        else
            _manifests.Keep(image, new KnownManifest(manifest, freshness), SizeOf(image) + (manifest.Bytes?.Length ?? 0));
    }

    private KnownManifest KeepMiss(Question question, Answer.Refused refused, Freshness freshness)
    {
        var goodFor = refused.Status switch
        {
            401 or 403 or 404 => options.MissTime,
            429 => Shorter(options.MissTime, refused.RetryAfter),
            _ => TimeSpan.Zero,
        };
        var miss = new KnownManifest(refused, freshness with { GoodUntil = freshness.AskedAt + goodFor });
        if (goodFor > TimeSpan.Zero)
            _misses.Keep(question, miss, SizeOf(question.Image) + (2 * refused.Body.Length));
        return miss;
    }

    private TimeSpan Shorter(TimeSpan missTime, string? retryAfter)
    {
        if (!RetryConditionHeaderValue.TryParse(retryAfter, out var wait))
            return missTime;
        var told = wait.Delta ?? wait.Date!.Value - time.GetUtcNow();
        return told < missTime ? told : missTime;
    }

    private static int SizeOf(ImageReference image) => Overhead + (2 * (image.Host.Length + image.Repository.Length + image.Target.Length));

    private sealed record Question(ImageReference Image, bool OnlyHead);
}
