using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A credential whose password is in a file that may be replaced while the service runs, as a mounted Secret is. The file is read at most
/// every 10 seconds, and after a refusal; where it cannot be read, or is empty, the last password stays.
/// </summary>
/// <param name="initial">As it was read at the start; null for none.</param>
/// <param name="file">Holds the password; null: it never changes.</param>
/// <param name="time">The clock.</param>
internal sealed class PasswordFileCredential(RegistryCredential? initial, string? file, TimeProvider time)
{
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(10);

    /// <summary>How often a refusal makes the file be read.</summary>
    private static readonly TimeSpan RefusalFreshness = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private RegistryCredential? _credential = initial;
    private DateTimeOffset _readAt = time.GetUtcNow();

    public RegistryCredential? Current => Read(Freshness);

    /// <summary>Another credential is to be used than the one that was refused.</summary>
    public bool IsReplaced(RegistryCredential? refused) => Read(RefusalFreshness) != refused;

    private RegistryCredential? Read(TimeSpan freshness)
    {
        if (file is null)
            return _credential;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (now - _readAt < freshness)
                return _credential;
            _readAt = now;
            try
            {
                if (ReadPassword(file) is { Length: > 0 } password)
                    _credential = _credential! with { Password = password };
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It is being replaced: the registry says whether the last one still holds.
            }
            return _credential;
        }
    }

    /// <summary>The password in a file, without the line ends behind it.</summary>
    public static string ReadPassword(string file) => File.ReadAllText(file).TrimEnd('\r', '\n');
}
