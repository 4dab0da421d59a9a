using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>What to show an origin for one of its repositories.</summary>
/// <param name="Credentials">To be tried in this order; then the origin is asked as nobody.</param>
/// <param name="Problems">Why there may be fewer than a person expects: a sentence for each pull secret that could not be used.</param>
public sealed record CredentialsFound(IReadOnlyList<RegistryCredential> Credentials, IReadOnlyList<string> Problems);

/// <summary>Collects the credentials for an origin's repository from the secrets that the pods which use it bring, most specific first. Injected as a singleton.</summary>
public sealed class CollectCredentials(KnownPullSecrets known, ReadSecrets secrets)
{
    /// <param name="image">Any image of the repository.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<CredentialsFound> For(ImageReference image, CancellationToken ct)
    {
        var read = await secrets.Run(await known.For(image, ct), ct);
        return new CredentialsFound(MatchPullSecrets.For(image, read.Entries), read.Problems);
    }

    /// <summary>The origin rejected what was found: the secrets are read again before they are used again.</summary>
    /// <returns>The problems there were, to tell a person.</returns>
    public async Task<IReadOnlyList<string>> Rejected(ImageReference image, CancellationToken ct)
    {
        var names = await known.For(image, ct);
        var read = await secrets.Run(names, ct);
        secrets.Doubt(names);
        return read.Problems;
    }
}
