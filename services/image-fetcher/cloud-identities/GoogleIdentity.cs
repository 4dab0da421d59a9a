using System.Text.RegularExpressions;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>
/// Google's Artifact Registry and Container Registry, with the access token that the metadata server issues to the workload (on GKE:
/// Workload Identity). <c>GCE_METADATA_HOST</c> names another metadata server: host, or host:port; default 169.254.169.254, which
/// needs no DNS.
/// </summary>
internal sealed partial class GoogleIdentity(IConfiguration configuration, CloudConnections connections, TimeProvider time) : ICloudIdentity
{
    public RequestCloudToken? For(string host) => Hosts().IsMatch(host) ? Ask : null;

    private async Task<CloudToken> Ask(CancellationToken ct)
    {
        var metadata = configuration["GCE_METADATA_HOST"] is { Length: > 0 } named ? named : "169.254.169.254";
        if (!Uri.TryCreate($"http://{metadata}/computeMetadata/v1/instance/service-accounts/default/token", UriKind.Absolute,
            out var address))
            throw new CloudIdentityException($"GCE_METADATA_HOST is \"{metadata}\", which is no host");
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { { "Metadata-Flavor", "Google" } } };

        var answer = await CloudAnswer.To(connections.Metadata, request, ct);

        var credential = new RegistryCredential("oauth2accesstoken", answer["access_token"]);
        return new CloudToken(credential, time.GetUtcNow().AddSeconds(answer.Seconds("expires_in")));
    }

    [GeneratedRegex(@"\A(gcr\.io|[a-z0-9-]+\.gcr\.io|[a-z0-9-]+\.pkg\.dev)\z")]
    private static partial Regex Hosts();
}
