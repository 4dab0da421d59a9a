namespace Kuik.ImageFetcher;

/// <summary>Exchanges this workload's identity in a cloud for a credential for that cloud's registries.</summary>
public interface ICloudIdentity
{
    /// <summary>The request for a credential for this registry; null when the registry is not one of this cloud's.</summary>
    /// <param name="host">As references name it: <c>123456789012.dkr.ecr.eu-west-1.amazonaws.com</c>.</param>
    RequestCloudToken? For(string host);
}
