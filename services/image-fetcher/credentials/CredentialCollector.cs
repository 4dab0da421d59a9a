using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>What to show an origin for one of its repositories.</summary>
/// <param name="Credentials">To be tried in this order; then the origin is asked as nobody.</param>
/// <param name="Problems">Why there may be fewer than a person expects: a sentence for each pull secret that could not be used, and for a cloud that gave nothing.</param>
public sealed record CredentialsFound(IReadOnlyList<RegistryCredential> Credentials, IReadOnlyList<string> Problems);

/// <summary>
/// Collects the credentials for an image: from the secrets that pods bring for it (<see cref="PullSecretCache"/>), most specific first; then, as on a
/// node, from the cloud that the workload runs in. Injected as a singleton.
/// </summary>
public sealed class CredentialCollector(PullSecretCache known, PullSecretReader secrets, CloudCredentials clouds)
{
    /// <param name="image">By its tag; or by a digest, its own or that of something it consists of.</param>
    /// <param name="ct">Ends it.</param>
    public async Task<CredentialsFound> For(ImageReference image, CancellationToken ct)
    {
        var asked = clouds.For(image.Host, ct);   // meanwhile
        var read = await secrets.Read(await known.For(image, ct), ct);
        var cloud = await asked;
        return new CredentialsFound([.. MatchPullSecrets.For(image, read.Entries), .. cloud.Credentials], [.. read.Problems, .. cloud.Problems]);
    }

    /// <summary>The origin rejected what was found: the secrets are read again before they are used again.</summary>
    /// <returns>The problems there were, to tell a person.</returns>
    public async Task<IReadOnlyList<string>> Rejected(ImageReference image, CancellationToken ct)
    {
        var names = await known.For(image, ct);
        var read = await secrets.Read(names, ct);
        secrets.Doubt(names);
        return [.. read.Problems, .. (await clouds.For(image.Host, ct)).Problems];
    }
}
