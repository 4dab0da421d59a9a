using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>
/// Amazon's Elastic Container Registry: the workload's AWS keys (<see cref="AwsKeyProvider"/>) sign <c>ecr:GetAuthorizationToken</c>, which
/// returns a user name and a password for twelve hours. public.ecr.aws needs no credential.
/// </summary>
internal sealed partial class EcrIdentity(IConfiguration configuration, CloudConnections connections, TimeProvider time) : ICloudIdentity
{
    private readonly AwsKeyProvider _findKeys = new(configuration, connections);

    public RequestCloudToken? For(string host) => Hosts().Match(host) is { Success: true } match
        ? ct => Ask(match.Groups["region"].Value, Endpoint(match), ct)
        : null;

    /// <summary>The domain of AWS's services in a region.</summary>
    public static string DomainOf(string region) => region.Split('-')[0] switch
    {
        "cn" => "amazonaws.com.cn",
        "eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    };

    private async Task<CloudToken> Ask(string region, string endpoint, CancellationToken ct)
    {
        var keys = await _findKeys.GetKeys(region, ct);
        var body = "{}"u8.ToArray();
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint)
        {
            Headers = { { "X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" } },
            Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/x-amz-json-1.1") } },
        };
        AwsRequestSigner.Sign(request, body, keys, region, "ecr", time.GetUtcNow());

        var token = (await CloudAnswer.To(connections.Services, request, ct)).First("authorizationData");

        return new CloudToken(Decode(token), DateTimeOffset.UnixEpoch.AddSeconds(token.Seconds("expiresAt")));
    }

    private static RegistryCredential Decode(CloudAnswer token)
    {
        var encoded = token["authorizationToken"];
        var bytes = new byte[encoded.Length];
        var text = Convert.TryFromBase64String(encoded, bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : "";
        return text.Split(':', 2) is [var user, var password]
            ? new RegistryCredential(user, password)
            : throw token.Without("authorizationToken");
    }

    // Registries with both IPv4 and IPv6 (on.aws) have an API with both, too.
    private static string Endpoint(Match host)
    {
        var (region, fips, domain) = (host.Groups["region"].Value, host.Groups["fips"].Success ? "-fips" : "", host.Groups["domain"].Value);
        return domain switch
        {
            "on.aws" => $"https://ecr{fips}.{region}.api.aws/",
            "on.amazonwebservices.com.cn" => $"https://ecr{fips}.{region}.api.amazonwebservices.com.cn/",
            _ => fips == "" ? $"https://api.ecr.{region}.{domain}/" : $"https://ecr-fips.{region}.{domain}/",
        };
    }

    [GeneratedRegex(@"\A[0-9]{12}\.dkr(\.|-)ecr(?<fips>-fips)?\.(?<region>[a-z0-9-]+)\.(?<domain>amazonaws\.(com(\.cn)?|eu)|on\.(aws|amazonwebservices\.com\.cn))\z")]
    private static partial Regex Hosts();
}
