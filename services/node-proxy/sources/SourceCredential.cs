using System.Net.Http.Headers;
using System.Text;
using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// node-proxy's credential for a server inside the cluster: a bearer token, or a user name with a password. The secret comes from a file
/// and may be rotated; requests
/// only read memory.
/// </summary>
/// <param name="secret">The token or the password.</param>
/// <param name="username">For Basic; null: Bearer.</param>
internal sealed class SourceCredential(SecretFile secret, string? username) : IDisposable
{
    private Made? _made;

    /// <summary>The value of Authorization, now; null while the file does not exist: anonymous.</summary>
    public AuthenticationHeaderValue? Header
    {
        get
        {
            var now = username is null ? secret.ToSend : secret.Current;
            if (now.Length == 0)
                return null;
            if (Volatile.Read(ref _made) is { } made && made.Secret == now)
                return made.Header;
            var header = username is null
                ? new AuthenticationHeaderValue(FetcherToken.Scheme, now)
                : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{username}:{now}")));
            Volatile.Write(ref _made, new Made(now, header));
            return header;
        }
    }

    public void Dispose() => secret.Dispose();

    private sealed class Made(string secret, AuthenticationHeaderValue header)
    {
        public string Secret { get; } = secret;

        public AuthenticationHeaderValue Header { get; } = header;
    }
}
