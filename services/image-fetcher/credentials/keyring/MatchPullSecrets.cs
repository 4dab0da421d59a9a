using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>Selects the credentials for a repository, as the kubelet's keyring does (pkg/credentialprovider/keyring.go).</summary>
public static class MatchPullSecrets
{
    // Docker's own name for Docker Hub: an entry for it matches docker.io when no entry names docker.io itself.
    private const string DefaultRegistry = "index.docker.io";

    /// <summary>The credentials to try, each once: the most specific entry first, equal entries in the order of the secrets.</summary>
    /// <param name="image">Any image of the repository.</param>
    /// <param name="entries">The entries of the secrets, secret by secret.</param>
    public static IReadOnlyList<RegistryCredential> For(ImageReference image, IEnumerable<PullSecretEntry> entries)
    {
        // "Most specific first" is the reverse order of the keys: a longer path comes before its prefix.
        var ordered = entries.OrderByDescending(entry => entry.Host + entry.Path, StringComparer.Ordinal).ToList();
        var matching = ordered.FindAll(entry => IsMatch(entry, image));
        if (matching.Count == 0 && image.Host == ImageReference.DockerHub)
            matching = ordered.FindAll(entry => entry is { Host: DefaultRegistry, Path: "" });
        return [.. matching.Select(entry => entry.Credential).Distinct()];
    }

    private static bool IsMatch(PullSecretEntry entry, ImageReference image)
    {
        var (pattern, patternPort) = SplitPort(entry.Host);
        var (host, port) = SplitPort(image.Host);
        var (patternLabels, labels) = (pattern.Split('.'), host.Split('.'));
        return patternPort == port
            && patternLabels.Length == labels.Length
            && $"/{image.Repository}".StartsWith(entry.Path, StringComparison.Ordinal)
            && patternLabels.Zip(labels).All(pair => IsMatch(pair.First, pair.Second));
    }

    private static (string Host, string Port) SplitPort(string host) =>
        host.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? (host[..colon], host[(colon + 1)..]) : (host, "");

    // A glob never spans labels: *.example.com is neither example.com nor a.b.example.com.
    private static bool IsMatch(string pattern, string label) =>
        pattern.AsSpan().ContainsAny(@"*?[\") ? HostPattern.IsMatch(pattern, label) : pattern == label;
}
