using System.Buffers.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.ImageFetcher;

/// <summary>
/// Azure Container Registry. The workload's Microsoft Entra identity (workload identity as its webhook sets it up: <c>AZURE_TENANT_ID</c>,
/// <c>AZURE_CLIENT_ID</c>, <c>AZURE_FEDERATED_TOKEN_FILE</c>, <c>AZURE_AUTHORITY_HOST</c>; otherwise the node's managed identity, selected
/// by <c>AZURE_CLIENT_ID</c>) is exchanged at the registry for a refresh token, which docker calls an identity token.
/// </summary>
internal sealed partial class AzureIdentity : ICloudIdentity
{
    // The user name that the registry requires beside an identity token.
    private const string NoUser = "00000000-0000-0000-0000-000000000000";

    private readonly IConfiguration _configuration;
    private readonly CloudConnections _connections;
    private readonly TimeProvider _time;
    private readonly Uri _authority;

    /// <exception cref="InvalidSettingException">AZURE_AUTHORITY_HOST is not an address with TLS: a token is sent to it.</exception>
    public AzureIdentity(IConfiguration configuration, CloudConnections connections, TimeProvider time)
    {
        (_configuration, _connections, _time) = (configuration, connections, time);
        _authority = configuration.ReadEndpoint("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com")!;
        if (_authority.Scheme != "https")
            throw new InvalidSettingException("AZURE_AUTHORITY_HOST", configuration["AZURE_AUTHORITY_HOST"],
                "an address such as https://login.microsoftonline.com");
    }

    public RequestCloudToken? For(string host) => Hosts().Match(host) is { Success: true } match
        ? ct => Ask(host, match.Groups["cloud"].Value, ct)
        : null;

    private async Task<CloudToken> Ask(string host, string cloud, CancellationToken ct)
    {
        var audience = "https://containerregistry.azure." + (cloud == "io" ? "net" : cloud);
        var (tenant, client, file) =
            (_configuration["AZURE_TENANT_ID"], _configuration["AZURE_CLIENT_ID"], _configuration["AZURE_FEDERATED_TOKEN_FILE"]);
        var token = tenant is { Length: > 0 } && client is { Length: > 0 } && file is { Length: > 0 }
            ? await ByWorkloadIdentity(tenant, client, file, audience, ct)
            : await ByManagedIdentity(client, audience, ct);
        var refresh = await Exchange(host, tenant, token, ct);
        return new CloudToken(new RegistryCredential(NoUser, "", IdentityToken: refresh),
            ExpiryOf(refresh) ?? _time.GetUtcNow().AddHours(1));
    }

    private async Task<string> ByWorkloadIdentity(string tenant, string client, string file, string audience, CancellationToken ct)
    {
        using var request = Post(new Uri(_authority, $"/{Uri.EscapeDataString(tenant)}/oauth2/v2.0/token"), new()
        {
            ["grant_type"] = "client_credentials",
            ["client_id"] = client,
            ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ["client_assertion"] = await CloudFile.Read("AZURE_FEDERATED_TOKEN_FILE", file, ct),
            ["scope"] = audience + "/.default",
        });
        return (await CloudAnswer.To(_connections.Services, request, ct))["access_token"];
    }

    private async Task<string> ByManagedIdentity(string? client, string audience, CancellationToken ct)
    {
        var which = client is { Length: > 0 } ? "&client_id=" + Uri.EscapeDataString(client) : "";
        var address = new Uri(
            $"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={Uri.EscapeDataString(audience)}{which}");
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { { "Metadata", "true" } } };
        return (await CloudAnswer.To(_connections.Metadata, request, ct))["access_token"];
    }

    private async Task<string> Exchange(string host, string? tenant, string token, CancellationToken ct)
    {
        var form = new Dictionary<string, string> { ["grant_type"] = "access_token", ["service"] = host, ["access_token"] = token };
        if (tenant is { Length: > 0 })
            form["tenant"] = tenant;
        using var request = Post(new Uri($"https://{host}/oauth2/exchange"), form);
        return (await CloudAnswer.To(_connections.Services, request, ct))["refresh_token"];
    }

    private static HttpRequestMessage Post(Uri address, Dictionary<string, string> form) =>
        new(HttpMethod.Post, address) { Content = new FormUrlEncodedContent(form) };

    // The token states its expiry, the answer does not. By the registry's documentation, a token without one is valid for three hours.
    private static DateTimeOffset? ExpiryOf(string token)
    {
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.') is [_, var part, _] ? part : ""));
            return DateTimeOffset.FromUnixTimeSeconds(claims.RootElement.GetProperty("exp").GetInt64());
        }
        catch (Exception error)
            when (error is FormatException or JsonException or KeyNotFoundException or InvalidOperationException
                or ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\A[a-z0-9-]+\.azurecr\.(?<cloud>io|cn|us)\z")]
    private static partial Regex Hosts();
}
