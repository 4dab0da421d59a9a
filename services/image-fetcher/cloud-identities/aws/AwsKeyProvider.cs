using System.Net;

namespace Kuik.ImageFetcher;

/// <summary>
/// Finds this workload's keys in the order of AWS's own libraries; the first configured source is used, and its failure is final.
/// <para>1. <c>AWS_ACCESS_KEY_ID</c>, <c>AWS_SECRET_ACCESS_KEY</c>, <c>AWS_SESSION_TOKEN</c>. 2. Web identity (IAM roles for service
/// accounts): <c>AWS_ROLE_ARN</c>, <c>AWS_WEB_IDENTITY_TOKEN_FILE</c>. 3. A container's (EKS Pod Identity):
/// <c>AWS_CONTAINER_CREDENTIALS_FULL_URI</c>, <c>AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE</c>. 4. The node's, by its metadata (version 2),
/// unless <c>AWS_EC2_METADATA_DISABLED</c> is true.</para>
/// </summary>
internal sealed class AwsKeyProvider(IConfiguration configuration, CloudConnections connections)
{
    // Hosts to which plain HTTP may carry a token: the agents of Pod Identity and of ECS.
    private static readonly IPAddress[] Agents =
        [IPAddress.Parse("169.254.170.23"), IPAddress.Parse("fd00:ec2::23"), IPAddress.Parse("169.254.170.2")];

    /// <param name="region">The registry's; used if the environment names none.</param>
    /// <param name="ct">Cancels the request.</param>
    /// <exception cref="CloudIdentityException">There are no keys.</exception>
    public Task<AwsKeys> GetKeys(string region, CancellationToken ct)
    {
        if (Read("AWS_ACCESS_KEY_ID") is { } id && Read("AWS_SECRET_ACCESS_KEY") is { } secret)
            return Task.FromResult(new AwsKeys(id, secret, Read("AWS_SESSION_TOKEN")));
        if (Read("AWS_ROLE_ARN") is { } role && Read("AWS_WEB_IDENTITY_TOKEN_FILE") is { } file)
            return ByWebIdentity(role, file, Read("AWS_REGION") ?? Read("AWS_DEFAULT_REGION") ?? region, ct);
        if (Read("AWS_CONTAINER_CREDENTIALS_FULL_URI") is { } address)
            return OfContainer(address, ct);
        if (!"true".Equals(Read("AWS_EC2_METADATA_DISABLED"), StringComparison.OrdinalIgnoreCase))
            return OfNode(ct);
        throw new CloudIdentityException(
            "this workload has no identity in AWS: neither keys, nor a web identity, nor a container's, and AWS_EC2_METADATA_DISABLED is "
                + "true");
    }

    private async Task<AwsKeys> ByWebIdentity(string role, string file, string region, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"https://sts.{region}.{EcrIdentity.DomainOf(region)}/")
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["Action"] = "AssumeRoleWithWebIdentity",
                ["Version"] = "2011-06-15",
                ["RoleArn"] = role,
                ["RoleSessionName"] = Read("AWS_ROLE_SESSION_NAME") ?? "kuik",
                ["WebIdentityToken"] = await CloudFile.Read("AWS_WEB_IDENTITY_TOKEN_FILE", file, ct),
            }),
        };
        var answer = await CloudAnswer.To(connections.Services, request, ct);
        return new AwsKeys(answer.Element("AccessKeyId"), answer.Element("SecretAccessKey"), answer.Element("SessionToken"));
    }

    private async Task<AwsKeys> OfContainer(string text, CancellationToken ct)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address)
            || !(address.Scheme == "https" || (address.Scheme == "http" && (address.IsLoopback || IsAgent(address)))))
            throw new CloudIdentityException("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an agent on this node");
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        var token = Read("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") is { } file
            ? await CloudFile.Read("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file, ct)
            : Read("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", token);
        return KeysIn(await CloudAnswer.To(connections.Metadata, request, ct));
    }

    private async Task<AwsKeys> OfNode(CancellationToken ct)
    {
        var metadata = (Read("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? "http://169.254.169.254").TrimEnd('/');
        var session = await Ask(HttpMethod.Put, "api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60");
        var role = await Ask(HttpMethod.Get, "meta-data/iam/security-credentials/", "X-aws-ec2-metadata-token", session.Text);
        var name = role.Text.Split('\n')[0].Trim();
        if (name.Length == 0)
            throw role.Without("role: the node has none");
        return KeysIn(await Ask(HttpMethod.Get, "meta-data/iam/security-credentials/" + Uri.EscapeDataString(name),
            "X-aws-ec2-metadata-token", session.Text));

        async Task<CloudAnswer> Ask(HttpMethod method, string path, string header, string value)
        {
            if (!Uri.TryCreate($"{metadata}/latest/{path}", UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                throw new CloudIdentityException($"AWS_EC2_METADATA_SERVICE_ENDPOINT is \"{metadata}\", which is no address");
            using var request = new HttpRequestMessage(method, address);
            request.Headers.TryAddWithoutValidation(header, value);
            return await CloudAnswer.To(connections.Metadata, request, ct);
        }
    }

    private static AwsKeys KeysIn(CloudAnswer answer) => new(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"]);

    private static bool IsAgent(Uri address) => IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && Agents.Contains(ip);

    private string? Read(string variable) => configuration[variable] is { Length: > 0 } value ? value : null;
}
