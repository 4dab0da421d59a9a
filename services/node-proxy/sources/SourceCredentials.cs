using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>The credentials for the servers inside the cluster; null where none are configured.</summary>
/// <param name="Cache">For the cache registry's read endpoint.</param>
/// <param name="Fetcher">For image-fetcher.</param>
internal sealed record SourceCredentials(SourceCredential? Cache, SourceCredential? Fetcher) : IDisposable
{
    /// <summary>
    /// A user of the cache registry's read endpoint, for Basic. Needs <see cref="ReadPasswordFileKey"/>. Default none: anonymous.
    /// </summary>
    public const string ReadUsernameKey = "Kuik:Cache:ReadUsername";

    /// <summary>A file with that user's password on one line; read again when it changes.</summary>
    public const string ReadPasswordFileKey = "Kuik:Cache:ReadPasswordFile";

    /// <summary>Reads the files that the settings name. One that does not exist is read when it does; until then requests are anonymous,
    /// and pulls come from the sources that answer those: a node that restarts must not depend on a Secret that is gone.</summary>
    /// <exception cref="InvalidSettingException">A file cannot be read, or one of the settings for user name and password is
    /// missing.</exception>
    public static SourceCredentials Open(IConfiguration configuration, TimeProvider time, ILogger<SourceCredentials> logger)
    {
        var (user, passwordFile) = (configuration[ReadUsernameKey] ?? "", configuration[ReadPasswordFileKey] ?? "");
        if (user.Contains(':', StringComparison.Ordinal) || user.Any(char.IsControl))
            throw new InvalidSettingException(ReadUsernameKey, user, "a user name without a colon");
        if (passwordFile.Length > 0 && user.Length == 0)
            throw new InvalidSettingException(ReadUsernameKey, user, $"set where {ReadPasswordFileKey} is");
        if (user.Length > 0 && passwordFile.Length == 0)
            throw new InvalidSettingException(ReadPasswordFileKey, passwordFile, $"set where {ReadUsernameKey} is");
        return new SourceCredentials(
            Open(ReadPasswordFileKey, SecretKind.Password, user), Open(FetcherToken.FileKey, SecretKind.Token, username: null));

        SourceCredential? Open(string key, SecretKind kind, string? username) => configuration[key] is { Length: > 0 } file
            ? new SourceCredential(new SecretFile(key, file, kind, time, logger, mayBeMissing: true), username)
            : null;
    }

    public void Dispose()
    {
        Cache?.Dispose();
        Fetcher?.Dispose();
    }
}
