using System.Collections.Concurrent;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>
/// Resolves tags for runtimes that pull through node-proxy as a mirror: there the webhook has not chosen the cached image for the pod. With
/// <see cref="ProxyOptions.RevalidatesTags"/>, those of rewritten pods too. A
/// tag of which nothing is known, or nothing young enough, is looked up with one HEAD at its origin, by image-fetcher for all nodes. An
/// origin that fails or is slow changes nothing: the tag resolves to the cached manifest.
/// </summary>
internal sealed class TagResolver(IReadOnlyList<IPullSource> sources, ManifestCache memory, ProxyOptions options, TimeProvider time,
    IHostApplicationLifetime lifetime)
{
    private const int Most = 4096;

    private readonly ConcurrentDictionary<ImageReference, Look> _looks = new();

    /// <summary>The image by the digest that its tag names, where that is known; otherwise the image as it is.</summary>
    /// <param name="image">By tag.</param>
    /// <param name="ct">The client is gone; the question goes on for the next one.</param>
    public async Task<ImageReference> Resolve(ImageReference image, CancellationToken ct)
    {
        if (options.TagFreshness == TimeSpan.Zero)
            return image;

        // 1. Known, being asked, or failed a moment ago; else it is asked now, once for all waiters.
        if (!_looks.TryGetValue(image, out var look) || IsOld(look))
        {
            if (_looks.Count >= Most)
                _looks.Clear();   // only questions are lost
            var begun = new Look(time.GetTimestamp(), new Lazy<Task<string?>>(() => Task.Run(() => Ask(image))));
            look = look is null
                ? _looks.GetOrAdd(image, begun)
                : _looks.TryUpdate(image, begun, look)
                ? begun
                : _looks.GetValueOrDefault(image, begun);
        }

        // 2. The wait is counted from the start of the lookup: a later request waits less or not at all.
        var answer = look.Answer.Value;
        if (options.TagPatience - time.GetElapsedTime(look.Begun) is { Ticks: > 0 } left)
            await ((Task)answer).WaitAsync(left, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ct.ThrowIfCancellationRequested();
        return answer.IsCompletedSuccessfully && await answer is { } digest ? image.With(digest) : image;
    }

    private bool IsOld(Look look)
    {
        var answer = look.Answer.Value;
        var isKnown = answer.IsCompletedSuccessfully && answer.Result is not null;
        // half: image-fetcher's answer may be as old already
        return answer.IsCompleted && time.GetElapsedTime(look.Begun) >= (isKnown ? options.TagFreshness / 2 : options.BreakerPause);
    }

    /// <summary>The digest; null when no source answered, or no source has that manifest: a tag never resolves to a digest that cannot be
    /// pulled. The manifest is cached for the pull.</summary>
    private async Task<string?> Ask(ImageReference image)
    {
        var stop = lifetime.ApplicationStopping;
        return await Named(image, stop) is { } digest
            && (await memory.Ask(image.With(digest), onlyHead: false, stop)).Known.Manifest is not null ? digest : null;
    }

    private async Task<string?> Named(ImageReference image, CancellationToken ct)
    {
        foreach (var source in sources)
            if (await source.AskTag(image, ct) is var answer and not Answer.Passed)
                return (answer as Answer.ManifestAnswer)?.Digest;
        return null;
    }

    /// <param name="Begun">When it was asked.</param>
    /// <param name="Answer">Started by the first request.</param>
    private sealed record Look(long Begun, Lazy<Task<string?>> Answer);
}
