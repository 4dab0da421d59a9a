using System.Net.Http.Headers;

namespace Kuik.Oci;

/// <summary>One request to a registry, which may have to be sent more than once (for a token, for a redirect).</summary>
/// <param name="Method">HTTP's.</param>
/// <param name="Repository">The repository of the path.</param>
/// <param name="Path">Below the repository: <c>manifests/latest</c>, <c>blobs/uploads/</c>.</param>
public sealed record RegistryCall(HttpMethod Method, RegistryRepository Repository, string Path)
{
    /// <summary>Sent only to a registry that asks for it; null for anonymous.</summary>
    public RegistryCredential? Credential { get; init; }

    /// <summary>The actions in the scope of a token: <c>pull</c>, <c>pull,push</c>, <c>delete</c>.</summary>
    public string Actions { get; init; } = "pull";

    /// <summary>A second repository that a token has to let one pull from (for a mount).</summary>
    public string? AlsoPullFrom { get; init; }

    /// <summary>An address the registry gave before (of an upload); null for the one that <see cref="Path"/> makes.</summary>
    public Uri? Address { get; init; }

    /// <summary>Media types, in order; none to accept any.</summary>
    public IReadOnlyList<string> Accept { get; init; } = [];

    /// <summary>The range of bytes; null for all.</summary>
    public RangeHeaderValue? Range { get; init; }

    /// <summary>Makes the body, anew for each time it is sent; null for none.</summary>
    public Func<HttpContent>? Content { get; init; }

    /// <summary>How long to wait for the head of the answer. Infinite where a body of any length is sent.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Redirects of it are followed, and it may be sent again without harm.</summary>
    internal bool IsRead => Method == HttpMethod.Get || Method == HttpMethod.Head;

    /// <summary>Only the head of the answer to a GET is wanted.</summary>
    internal bool IsHeadEnough { get; init; }

    /// <summary>A blob comes or goes: it may last.</summary>
    internal bool IsTransfer => Method == HttpMethod.Get
        ? Path.StartsWith("blobs/", StringComparison.Ordinal) && !IsHeadEnough
        : Method == HttpMethod.Put && Address is not null;

    /// <summary>The scopes of a token for this call.</summary>
    internal IEnumerable<string> Scopes =>
        AlsoPullFrom is null
            ? [$"repository:{Repository.Name}:{Actions}"]
            : [$"repository:{Repository.Name}:{Actions}", $"repository:{AlsoPullFrom}:pull"];
}
