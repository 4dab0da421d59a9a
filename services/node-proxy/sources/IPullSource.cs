using System.Net.Http.Headers;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>Where bytes may come from, asked in this order: the cache registry, image-fetcher, the origin.</summary>
internal interface IPullSource
{
    /// <summary>For logs and metrics: <c>cache</c>, <c>fetcher</c> or <c>origin</c>.</summary>
    string Name { get; }

    /// <summary>The source has replicas: another one may answer the next request, and can continue a body that the first one broke
    /// off.</summary>
    bool HasReplicas => false;

    /// <summary>Asks for a manifest. The bytes, where there are any, are verified.</summary>
    /// <param name="image">By tag or digest.</param>
    /// <param name="onlyHead">The client asked with HEAD: bytes are not needed.</param>
    /// <param name="ct">The client is gone.</param>
    Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct);

    /// <summary>Resolves a tag at its origin: a manifest without bytes. The cache cannot do that.</summary>
    /// <param name="image">By tag.</param>
    /// <param name="ct">This process ends.</param>
    Task<Answer> AskTag(ImageReference image, CancellationToken ct) => Task.FromResult<Answer>(new Answer.Passed("cannot say"));

    /// <summary>
    /// Asks for the referrers of a manifest: a manifest with bytes, which are an index with its <c>manifests</c>, or (only the
    /// cache) <see cref="Answer.Pages"/>. Passed when there is none here.
    /// </summary>
    /// <param name="image">By digest.</param>
    /// <param name="ct">The client is gone.</param>
    Task<Answer> AskReferrers(ImageReference image, CancellationToken ct) => Task.FromResult<Answer>(new Answer.Passed("cannot say"));

    /// <summary>Asks for a blob; the caller verifies the bytes.</summary>
    /// <param name="image">By digest.</param>
    /// <param name="onlyHead">The client asked with HEAD.</param>
    /// <param name="range">A part of it; null: all.</param>
    /// <param name="ct">The client is gone.</param>
    Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct);
}
