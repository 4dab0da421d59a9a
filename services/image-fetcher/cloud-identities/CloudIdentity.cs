using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>Turns what this workload is in a cloud into a credential for that cloud's registries.</summary>
public interface ICloudIdentity
{
    /// <summary>How to get a credential for this registry; null when it is none of this cloud's.</summary>
    /// <param name="host">As references name it: <c>123456789012.dkr.ecr.eu-west-1.amazonaws.com</c>.</param>
    RequestCloudToken? For(string host);
}

/// <summary>Asks the cloud anew each time it is called.</summary>
/// <exception cref="CloudIdentityException">The cloud gave none.</exception>
public delegate Task<CloudToken> RequestCloudToken(CancellationToken ct);

/// <summary>What a cloud gave.</summary>
/// <param name="Credential">To show to the registry.</param>
/// <param name="ExpiresAt">UTC.</param>
public sealed record CloudToken(RegistryCredential Credential, DateTimeOffset ExpiresAt);

/// <summary>A cloud did not give what it was asked for. The message says what was attempted, on what, and what came back, and holds no token.</summary>
public sealed class CloudIdentityException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The identities that are switched on.</summary>
public static class CloudIdentities
{
    /// <summary>
    /// Reads <c>Kuik:CloudIdentities</c>: the clouds whose registries are opened by what image-fetcher itself is there, a list of <c>ecr</c>, <c>google</c> and
    /// <c>azure</c>. Default none, because it trusts everybody who may create a pod: whatever image this identity can read, such a pod can name, and it is
    /// then copied and served. Give the identity no more than what all of the cluster may run.
    /// </summary>
    /// <exception cref="InvalidSettingException">It lists something else.</exception>
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
