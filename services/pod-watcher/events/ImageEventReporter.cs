using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Reports outcomes by Kubernetes Events: on the image's CachedImage, and on the pods that wait for the image when it cannot be cached.
/// The Events are derived from the log; an outcome older than <see cref="Recent"/>, for example after a restart, is not reported.
/// </summary>
internal sealed class ImageEventReporter(EventRecorder recorder, Reflector<Pod, LiveUser> pods, UsageCache known, TimeProvider time)
{
    /// <summary>The age up to which an outcome is reported.</summary>
    public static readonly TimeSpan Recent = TimeSpan.FromMinutes(15);

    /// <summary>The limit of pods with an Event about one failed attempt; the next attempt reports to as many other pods.</summary>
    public const int PodsTold = 50;

    private const string Component = "kuik";
    private const string Normal = nameof(Normal);
    private const string Warning = nameof(Warning);
    private const int LongestMessage = 1024;   // of the API's newer Events

    /// <summary>Reports recent outcomes of an image.</summary>
    /// <param name="view">The recorded state of the image.</param>
    /// <param name="resource">Its CachedImage in the API.</param>
    public void Report(ImageView view, CachedImage resource)
    {
        var now = time.GetUtcNow();
        foreach (var happened in OnResource(view, resource.Metadata, now))
            recorder.Record(happened);
        if (view is not { Failed: { } failed, Stage: ImageStage.Failed or ImageStage.Fetching })
            return;
        var told = 0;
        foreach (var pod in known.UidsOf(view.Image).Select(pods.State.GetValueOrDefault).OfType<LiveUser>())
            if (OnPod(view, failed, pod, now) is { } happened && recorder.Record(happened) && ++told == PodsTold)
                return;
    }

    /// <summary>Reports the eviction of an image, whose CachedImage was deleted with it.</summary>
    public void ReportEvicted(CachedImage resource)
    {
        var now = time.GetUtcNow();
        var happened = NewEvent(Of(resource.Metadata), Normal, "Evicted", "The image has been removed from the cache.", now, "evicted");
        recorder.Record(happened with { IsOnce = true });
    }

    /// <summary>The Events on a CachedImage.</summary>
    /// <param name="view">The recorded state of the image.</param>
    /// <param name="resource">The CachedImage's metadata.</param>
    /// <param name="now">UTC.</param>
    public static IEnumerable<KubernetesEvent> OnResource(ImageView view, ObjectMeta resource, DateTimeOffset now)
    {
        if (view.Cached is { } cached && IsNews(cached.CachedAt, now))
        {
            var cause = $"cached {cached.CachedAt.UtcTicks}";
            var (reason, message) = view.Moved is { } moved && moved.Digest == cached.Digest
                ? ("TagMoved", $"The tag names {moved.Digest} now, and named {moved.PreviousDigest} before. {Sentence(cached)}")
                : ("Cached", view.IsAdopted ? Found(cached) : Sentence(cached));
            var happened = NewEvent(Of(resource), Normal, reason, message, cached.CachedAt, cause);
            yield return happened with { IsOnce = true };
        }
        if (view.Failed is { } failed && IsNews(failed.FailedAt, now))
        {
            // One Event for each cause: a retry increases its count.
            var reason = CachedImageConditions.ReasonOf(failed.Kind);
            var happened = NewEvent(Of(resource), Warning, reason, failed.Reason, failed.FailedAt, $"failed {failed.Kind}");
            yield return happened with { Count = Math.Max(view.State.Failures, 1) };
        }
        if (view.Lost is { } lost && IsNews(lost.LostAt, now))
        {
            var cause = $"lost {lost.LostAt.UtcTicks}";
            var happened = NewEvent(Of(resource), Warning, ConditionReason.Lost, $"{lost.Reason}; it is copied again.", lost.LostAt, cause);
            yield return happened with { IsOnce = true };
        }
        if (view.Origin is { Reason: { } why } origin && IsNews(origin.CheckedAt, now))
        {
            var reason = origin.Answer == OriginAnswers.Gone ? ConditionReason.GoneAtOrigin : ConditionReason.NotCompared;
            var happened = NewEvent(
                Of(resource), Warning, reason, $"The cache keeps the image: {why}", origin.CheckedAt,
                $"origin {origin.CheckedAt.UtcTicks}");
            yield return happened with { IsOnce = true };
        }
        if (view.Expired is { } expired && IsNews(expired.ExpiredAt, now))
        {
            var cause = $"expired {expired.ExpiredAt.UtcTicks}";
            var happened = NewEvent(Of(resource), Normal, "Expired", Sentence(expired), expired.ExpiredAt, cause);
            yield return happened with { IsOnce = true };
        }
    }

    /// <summary>The Event on a pod that waits for an image which cannot be cached: one for each pod, image and kind of failure. Null when
    /// the pod does not wait for it, or the failure and the pod are not recent.</summary>
    /// <param name="view">The recorded state of the image.</param>
    /// <param name="failed">The last attempt.</param>
    /// <param name="pod">The current pod.</param>
    /// <param name="now">UTC.</param>
    public static KubernetesEvent? OnPod(ImageView view, ImageFetchFailed failed, LiveUser pod, DateTimeOffset now)
    {
        var at = pod.CreatedAt > failed.FailedAt ? pod.CreatedAt.Value : failed.FailedAt;
        if (!pod.WaitsFor(view.Image) || !IsNews(at, now))
            return null;
        var about = new ObjectReference("v1", "Pod", pod.Namespace, pod.Name, pod.Uid);
        var (sentence, cause) = ($"Kuik cannot cache {view.WrittenAs}: {failed.Reason}", $"{view.Image} {failed.Kind}");
        var happened = NewEvent(about, Warning, "ImageNotCached", sentence, at, cause);
        return happened with { IsOnce = true };
    }

    private static bool IsNews(DateTimeOffset at, DateTimeOffset now) => now - at < Recent;

    private static string Sentence(ImageCached cached)
    {
        var platforms = PlatformsOf(cached);
        var (size, copied) = (ByteSize.Format(cached.SizeInBytes), ByteSize.Format(cached.BytesCopied));
        var (seconds, origin) = (cached.Duration.TotalSeconds, ImageReference.Parse(cached.Image).Host);
        return string.Create(CultureInfo.InvariantCulture, $"Copied in {seconds:0.#} s: {size}{platforms}, {copied} of it from {origin}.");
    }

    private static string Found(ImageCached cached) => $"Found in the cache: {ByteSize.Format(cached.SizeInBytes)}{PlatformsOf(cached)}.";

    private static string PlatformsOf(ImageCached cached) =>
        cached.Platforms.Count == 0 ? "" : $" ({string.Join(", ", cached.Platforms)})";

    private static string Sentence(ImageExpired expired) => expired switch
    {
        { Reason: "forgotten" } => "Its CachedImage was deleted and no pod uses it; it is being removed from the cache.",
        { Reason: "expires-at" } => "The time of spec.expiresAt has come and no pod uses the image; it is being removed from the cache.",
        { Reason: "cache-limit", UnusedSince: { } since } => string.Create(CultureInfo.InvariantCulture,
            $"The cache exceeds Kuik:CacheLimit; no pod has used the image since {since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC."),
        { UnusedSince: { } since } => string.Create(CultureInfo.InvariantCulture,
            $"No pod has used the image since {since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC; it is being removed from the cache."),
        _ => "No pod uses the image; it is being removed from the cache.",
    };

    private static ObjectReference Of(ObjectMeta resource) =>
        new($"{Names.Group}/{Names.Version}", nameof(CachedImage), null, resource.Name!, resource.Uid!);

    private static KubernetesEvent NewEvent(
        ObjectReference about, string type, string reason, string message, DateTimeOffset at, string cause) => new()
        {
            Metadata = new ObjectMeta
            {
                Name = KubernetesEvent.NameOf(about.Name, about.Uid, cause),
                Namespace = about.Namespace ?? KubernetesEvent.NamespaceOfCluster,
            },
            InvolvedObject = about,
            Type = type,
            Reason = reason,
            Message = message.Length <= LongestMessage ? message : message[..(LongestMessage - 1)] + "…",
            Count = 1,
            FirstTimestamp = at,
            LastTimestamp = at,
            Source = new EventSource(Component),
        };
}
