using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>Exchanges this workload's identity in a cloud for a credential for that cloud's registries.</summary>
public interface ICloudIdentity
{
    /// <summary>The request for a credential for this registry; null when the registry is not one of this cloud's.</summary>
    /// <param name="host">As references name it: <c>123456789012.dkr.ecr.eu-west-1.amazonaws.com</c>.</param>
    RequestCloudToken? For(string host);
}

/// <summary>Requests a new token from the cloud at each call.</summary>
/// <exception cref="CloudIdentityException">The cloud issued none.</exception>
public delegate Task<CloudToken> RequestCloudToken(CancellationToken ct);

/// <summary>A credential issued by a cloud.</summary>
/// <param name="Credential">For the registry.</param>
/// <param name="ExpiresAt">UTC.</param>
public sealed record CloudToken(RegistryCredential Credential, DateTimeOffset ExpiresAt);

/// <summary>A failed request to a cloud. The message says what was attempted, on what, and what came back, and holds no token.</summary>
public sealed class CloudIdentityException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The factory of the enabled identities.</summary>
public static class CloudIdentities
{
    /// <summary>
    /// Parses <c>Kuik:CloudIdentities</c>: the clouds whose registries are accessed with image-fetcher's own identity, a list of
    /// <c>ecr</c>, <c>google</c> and <c>azure</c>. Default none, because it trusts every user who may create a pod: such a pod can name any
    /// image that this identity can read, and the image is then copied and served. Give the identity no more permissions than every
    /// workload of the cluster may have.
    /// </summary>
    /// <exception cref="InvalidSettingException">The list has another value.</exception>
    public static IReadOnlyList<ICloudIdentity> From(IConfiguration configuration, CloudConnections connections, TimeProvider time) =>
    [
        .. configuration.ReadList("Kuik:CloudIdentities").Select<string, ICloudIdentity>(cloud => cloud switch
        {
            "ecr" => new EcrIdentity(configuration, connections, time),
            "google" => new GoogleIdentity(configuration, connections, time),
            "azure" => new AzureIdentity(configuration, connections, time),
            _ => throw new InvalidSettingException("Kuik:CloudIdentities", cloud, "a list of ecr, google and azure"),
        }),
    ];
}
