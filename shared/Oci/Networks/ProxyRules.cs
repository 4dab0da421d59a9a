using System.Net;
using Kuik.Hosting;

namespace Kuik.Oci;

/// <summary>
/// Decides which requests use a proxy: <c>http_proxy</c>, <c>https_proxy</c> and <c>no_proxy</c>, in lower or upper case (lower wins),
/// parsed as by Go's httpproxy package, which the other tools of a cluster use. .NET's own parser supports no CIDRs. This machine and the
/// cluster are never behind a proxy.
/// </summary>
public sealed class ProxyRules : IWebProxy, ICredentials
{
    private static readonly NoProxyEntry[] Always =
        [.. NoProxyEntry.ReadAll(
            "localhost, 127.0.0.0/8, 0.0.0.0, ::1, ::, 169.254.0.0/16, fe80::/10, .svc, .cluster.local, kubernetes.default")];

    /// <summary>No proxy at all.</summary>
    public static readonly ProxyRules None = new(null, null, []);

    private readonly ProxyAddress? _http;
    private readonly ProxyAddress? _https;
    private readonly NoProxyEntry[] _bypassed;

    private ProxyRules(ProxyAddress? http, ProxyAddress? https, IEnumerable<NoProxyEntry> bypassed) =>
        (_http, _https, _bypassed) = (http, https, [.. Always, .. bypassed]);

    /// <summary>The rules of this process's environment.</summary>
    /// <exception cref="InvalidSettingException">The address of a proxy cannot be used.</exception>
    public static ProxyRules FromEnvironment() => From(Environment.GetEnvironmentVariable);

    /// <summary>The rules of an environment.</summary>
    /// <param name="variable">Gives a variable; null for one that is not set.</param>
    /// <exception cref="InvalidSettingException">The address of a proxy cannot be used.</exception>
    public static ProxyRules From(Func<string, string?> variable)
    {
        var bypassed = NoProxyEntry.ReadAll($"{Either("no_proxy").Value},{variable("KUBERNETES_SERVICE_HOST")}");
        return new ProxyRules(ProxyAddress.Read(Either("http_proxy")), ProxyAddress.Read(Either("https_proxy")), bypassed);

        KeyValuePair<string, string?> Either(string name)
        {
            var upper = name.ToUpperInvariant();
            return string.IsNullOrWhiteSpace(variable(name))
                ? KeyValuePair.Create(upper, variable(upper))
                : KeyValuePair.Create(name, variable(name));
        }
    }

    /// <summary>The proxy for an address, without its credentials; null for none.</summary>
    public Uri? GetProxy(Uri destination)
    {
        var proxy = destination.Scheme == Uri.UriSchemeHttps ? _https : _http;
        return proxy is null || IsNear(destination) ? null : proxy.Address;
    }

    public bool IsBypassed(Uri host) => GetProxy(host) is null;

    /// <summary>.NET asks here once a proxy has answered 407.</summary>
    NetworkCredential? ICredentials.GetCredential(Uri uri, string authType) =>
        authType == "Basic" ? new[] { _http, _https }.FirstOrDefault(proxy => proxy?.Address == uri)?.Credential : null;

    ICredentials? IWebProxy.Credentials
    {
        get => this;
        set => throw new NotSupportedException("credentials come with the proxy's address");
    }

    private bool IsNear(Uri destination)
    {
        var host = destination.IdnHost.TrimEnd('.');
        var address = IPAddress.TryParse(host, out var literal) ? literal : null;
        var isClusterService = address is null && !host.Contains('.', StringComparison.Ordinal);
        return isClusterService || _bypassed.Any(entry => entry.Matches(host, address, destination.Port));
    }
}

/// <summary>The address and the credential of a proxy.</summary>
/// <param name="Address">Without user and password.</param>
/// <param name="Credential">Sent by Basic; null for none.</param>
internal sealed record ProxyAddress(Uri Address, NetworkCredential? Credential)
{
    /// <param name="variable">Its name and value: <c>host[:port]</c>, or an address with http or https; null or blank for no proxy.</param>
    /// <exception cref="InvalidSettingException">It is none of these. The message has neither user nor password.</exception>
    public static ProxyAddress? Read(KeyValuePair<string, string?> variable)
    {
        var text = variable.Value?.Trim();
        if (string.IsNullOrEmpty(text))
            return null;
        if (!Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text, UriKind.Absolute, out var address)
            || address.Scheme is not ("http" or "https") || address.PathAndQuery != "/" || address.Fragment.Length > 0)
            throw new InvalidSettingException(variable.Key, WithoutUser(text),
                "host:port, or http:// or https:// and [user:password@]host[:port], with special characters of a password as %-escapes");
        var parts = address.UserInfo.Split(':', 2).Select(Uri.UnescapeDataString).ToList();
        var credential = address.UserInfo.Length == 0 ? null : new NetworkCredential(parts[0], parts.ElementAtOrDefault(1) ?? "");
        return new ProxyAddress(new Uri(address.GetLeftPart(UriPartial.Scheme) + address.Authority), credential);
    }

    public override string ToString() => Address.ToString();

    private static string WithoutUser(string text) => text.LastIndexOf('@') is >= 0 and var at ? "…" + text[at..] : text;
}
