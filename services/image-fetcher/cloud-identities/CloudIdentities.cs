using Kuik.Hosting;

namespace Kuik.ImageFetcher;

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
