namespace Kuik.Contracts;

// Stream image/{reference}: copies. In every event, Image is the normalised reference, for example
// docker.io/library/nginx:1.27, and times are UTC. In the order in which they usually happen.

/// <summary>A request or a failed copy is due for another attempt: only a message, the log has it from earlier versions. Written by
/// expiry.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="OpenSince">UTC: when it became due.</param>
/// <param name="AnnouncedAt">UTC.</param>
public sealed record FetchDue(string Image, DateTimeOffset OpenSince, DateTimeOffset AnnouncedAt);

/// <summary>An image-fetcher has claimed the image. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="By">The replica's name.</param>
/// <param name="LeaseUntil">UTC: when the first lease ends. It is renewed in the work table, not in the log.</param>
/// <param name="StartedAt">UTC.</param>
public sealed record ImageFetchStarted(string Image, string By, DateTimeOffset LeaseUntil, DateTimeOffset StartedAt)
{
    /// <summary>Only in events of earlier versions: the renewal of a lease. No claim.</summary>
    public bool IsRenewal { get; init; }

    /// <summary>The number of this claim, counted for each image from 1; 0 in events of earlier versions.</summary>
    public long Attempt { get; init; }

    /// <summary>The claim before this one ended without an outcome: its lease expired and its replica recorded nothing.</summary>
    public bool FollowsLostClaim { get; init; }
}

/// <summary>The cache registry can serve this image. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Digest">Digest of the manifest or index as the origin serves it: <c>sha256:</c> and 64 hex digits.</param>
/// <param name="MediaType">The origin's media type for it.</param>
/// <param name="Platforms">The platforms of an index that are stored, as <c>os[(version)]/arch[/variant]</c>; empty for a single
/// manifest.</param>
/// <param name="MissingPlatforms">Platforms that are configured and that the index does not name.</param>
/// <param name="SizeInBytes">Manifests, configurations and compressed layers of what is stored.</param>
/// <param name="BytesCopied">Blob bytes that came from the origin for this copy.</param>
/// <param name="BytesAlreadyThere">Blob bytes that the cache had before.</param>
/// <param name="Duration">How long the copy took.</param>
/// <param name="CachedAt">UTC.</param>
public sealed record ImageCached(
    string Image, string Digest, string MediaType, IReadOnlyList<string> Platforms, IReadOnlyList<string> MissingPlatforms,
    long SizeInBytes, long BytesCopied, long BytesAlreadyThere, TimeSpan Duration, DateTimeOffset CachedAt)
{
    /// <summary>The claim that it completes: it counts only while that is the current one. 0 in events of earlier versions, which count for
    /// any.</summary>
    public long Attempt { get; init; }
}

/// <summary>The cache registry no longer has all of an image that is recorded as cached: it is copied again. Written by
/// image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Reason">One sentence for a person: what is missing.</param>
/// <param name="Attempt">The claim whose copy was lost: it counts only while the image is cached by that one.</param>
/// <param name="LostAt">UTC: when it was noticed.</param>
public sealed record ImageLost(string Image, string Reason, long Attempt, DateTimeOffset LostAt)
{
    /// <summary>The digest that was recorded as cached.</summary>
    public string? Digest { get; init; }

    /// <summary>The way in which it was noticed: a <c>pull</c> that the cache could not answer, or <c>verification</c>.</summary>
    public string? NoticedBy { get; init; }
}

/// <summary>The cache registry has all of an image that the log does not say it has: of a log that was lost or restored, or copied while
/// nothing could be recorded. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Digest">Digest of the manifest or index as its origin served it when it was copied.</param>
/// <param name="MediaType">The media type for it.</param>
/// <param name="Platforms">As in <see cref="ImageCached"/>.</param>
/// <param name="MissingPlatforms">As in <see cref="ImageCached"/>.</param>
/// <param name="SizeInBytes">Manifests, configurations and compressed layers.</param>
/// <param name="Attempt">A number of its own, counted with those of claims: what is recorded of earlier copies does not count any
/// more.</param>
/// <param name="AdoptedAt">UTC.</param>
public sealed record ImageAdopted(
    string Image, string Digest, string MediaType, IReadOnlyList<string> Platforms, IReadOnlyList<string> MissingPlatforms,
    long SizeInBytes, long Attempt, DateTimeOffset AdoptedAt)
{
    /// <summary>The copy that the cache registry has, in the form in which it would be recorded.</summary>
    public ImageCached ToCached() => new(
        Image, Digest, MediaType, Platforms, MissingPlatforms, SizeInBytes, BytesCopied: 0, BytesAlreadyThere: SizeInBytes,
        Duration: TimeSpan.Zero, AdoptedAt)
    { Attempt = Attempt };
}

/// <summary>A person asked that the image be compared with its origin at once, and copied where they differ. Written by
/// pod-watcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="RequestedAt">UTC.</param>
public sealed record RefreshRequested(string Image, DateTimeOffset RequestedAt)
{
    /// <summary>The field manager that set the annotation; null when the API does not say.</summary>
    public string? FieldManager { get; init; }
}

/// <summary>The origin was asked for a cached image. Recorded when its answer differs from the last one, when a person asked, and else once
/// a day at most. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Answer"><c>same</c>: it has what the cache has. Else as <see cref="ImageFetchFailed.Kind"/>; <c>gone</c> and <c>refused</c>
/// are the origin's decision, after the others it is asked again soon.</param>
/// <param name="Attempt">The claim whose copy was compared: it counts only while the image is cached by that one.</param>
/// <param name="CheckedAt">UTC.</param>
public sealed record OriginChecked(string Image, string Answer, long Attempt, DateTimeOffset CheckedAt)
{
    /// <summary>One sentence for a person, without credentials; null when the answer is <c>same</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>UTC, by Postgres' clock: the origin was asked after this. What a person requested later is still to be done. Null in events
    /// of earlier versions, which end every request.</summary>
    public DateTimeOffset? AskedAt { get; init; }
}

/// <summary>The tag names another digest at its origin, and in the cache from now on. Pods that run the previous one keep it. Written by
/// image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="PreviousDigest">The digest that the cache had under the tag: <c>sha256:</c> and 64 hex digits.</param>
/// <param name="Digest">The digest that it has now.</param>
/// <param name="MediaType">As in <see cref="ImageCached"/>, like the following ones.</param>
/// <param name="Platforms">The platforms of an index that are stored; empty for a single manifest.</param>
/// <param name="MissingPlatforms">Platforms that are configured and that the index does not name.</param>
/// <param name="SizeInBytes">Manifests, configurations and compressed layers of what is stored.</param>
/// <param name="BytesCopied">Blob bytes that came from the origin for this copy.</param>
/// <param name="BytesAlreadyThere">Blob bytes that the cache had before.</param>
/// <param name="Duration">The duration of the copy.</param>
/// <param name="MovedAt">UTC: when the cache served the new digest.</param>
public sealed record TagMoved(
    string Image, string PreviousDigest, string Digest, string MediaType, IReadOnlyList<string> Platforms,
    IReadOnlyList<string> MissingPlatforms, long SizeInBytes, long BytesCopied, long BytesAlreadyThere, TimeSpan Duration,
    DateTimeOffset MovedAt)
{
    /// <summary>The claim whose copy it replaces: it counts only while the image is cached by that one.</summary>
    public long Attempt { get; init; }

    /// <inheritdoc cref="OriginChecked.AskedAt"/>
    public DateTimeOffset? AskedAt { get; init; }

    /// <summary>The copy that the cache registry has now, in the form in which it would be recorded.</summary>
    public ImageCached ToCached() => new(
        Image, Digest, MediaType, Platforms, MissingPlatforms, SizeInBytes, BytesCopied, BytesAlreadyThere, Duration, MovedAt)
    { Attempt = Attempt };
}

/// <summary>The image could not be copied. Written by image-fetcher.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Kind">One of <c>gone</c>, <c>refused</c>, <c>rate-limited</c>, <c>broken</c>, <c>unreachable</c>, <c>cache</c>,
/// <c>internal</c>.</param>
/// <param name="Reason">One sentence for a person; without credentials.</param>
/// <param name="RetryHelps">False when another try will fail the same way until a person changes something.</param>
/// <param name="RetryAt">UTC: the next try; later when a retry is not expected to help.</param>
/// <param name="FailedAt">UTC.</param>
public sealed record ImageFetchFailed(string Image, string Kind, string Reason, bool RetryHelps, DateTimeOffset RetryAt,
    DateTimeOffset FailedAt)
{
    /// <summary>The claim that it ends: it counts only while that is the current one. 0 in events of earlier versions, which count for
    /// any.</summary>
    public long Attempt { get; init; }

    /// <summary>The HTTP status of the origin's answer; null when it gave none.</summary>
    public int? OriginStatus { get; init; }
}
