using Kuik.Contracts;

namespace Kuik.ImageFetcher;

/// <summary>
/// Collects the credentials for an image: from the pull secrets of the pods that use it (<see cref="PullSecretCache"/>), most specific
/// first; then, as on a node, from the cloud that the workload runs in. A singleton.
/// </summary>
public sealed class CredentialCollector(PullSecretCache known, PullSecretReader secrets, CloudCredentials clouds)
{
    /// <param name="image">By its tag; or by a digest: its own, or that of one of its manifests or blobs.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task<CredentialsFound> For(ImageReference image, CancellationToken ct)
    {
        var asked = clouds.For(image.Host, ct);   // concurrently
        var read = await secrets.Read(await known.For(image, ct), ct);
        var cloud = await asked;
        return new CredentialsFound([.. MatchPullSecrets.For(image, read.Entries), .. cloud.Credentials],
            [.. read.Problems, .. cloud.Problems]);
    }

    /// <summary>Notes that the origin rejected the credentials: the secrets are read again before their next use.</summary>
    /// <returns>The problems, for users.</returns>
    public async Task<IReadOnlyList<string>> Rejected(ImageReference image, CancellationToken ct)
    {
        var names = await known.For(image, ct);
        var read = await secrets.Read(names, ct);
        secrets.Doubt(names);
        return [.. read.Problems, .. (await clouds.For(image.Host, ct)).Problems];
    }
}
