using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>The credentials for the servers inside the cluster; null where none are configured.</summary>
/// <param name="Cache">For the cache registry's read endpoint.</param>
/// <param name="Fetcher">For image-fetcher.</param>
internal sealed record UpstreamCredentials(UpstreamCredential? Cache, UpstreamCredential? Fetcher) : IDisposable
{
    /// <summary>A user of the cache registry's read endpoint, for Basic. Needs <see cref="ReadPasswordFileKey"/>. Default none: anonymous.</summary>
    public const string ReadUsernameKey = "Kuik:Cache:ReadUsername";

    /// <summary>A file with that user's password on one line; read again when it changes.</summary>
    public const string ReadPasswordFileKey = "Kuik:Cache:ReadPasswordFile";

    /// <summary>Reads the files that the settings name.</summary>
    /// <exception cref="WrongSetting">A file cannot be read, or one of user name and password is missing.</exception>
    public static UpstreamCredentials Open(IConfiguration configuration, TimeProvider time, ILogger<UpstreamCredentials> logger)
    {
        var (user, passwordFile, tokenFile) = (configuration[ReadUsernameKey], configuration[ReadPasswordFileKey], configuration[FetcherToken.FileKey]);
        if (user is { Length: > 0 } && (user.Contains(':', StringComparison.Ordinal) || user.Any(char.IsControl)))
            throw new WrongSetting(ReadUsernameKey, user, "a user name without a colon");
        if (string.IsNullOrEmpty(user) != string.IsNullOrEmpty(passwordFile))
            throw new WrongSetting(string.IsNullOrEmpty(user) ? ReadUsernameKey : ReadPasswordFileKey, "", $"set where {(string.IsNullOrEmpty(user) ? ReadPasswordFileKey : ReadUsernameKey)} is");
        return new UpstreamCredentials(
            passwordFile is { Length: > 0 } ? new UpstreamCredential(new SecretFile(ReadPasswordFileKey, passwordFile, SecretKind.Password, time, logger), user) : null,
            tokenFile is { Length: > 0 } ? new UpstreamCredential(new SecretFile(FetcherToken.FileKey, tokenFile, SecretKind.Token, time, logger), username: null) : null);
    }

    public void Dispose()
    {
        Cache?.Dispose();
        Fetcher?.Dispose();
    }
}
