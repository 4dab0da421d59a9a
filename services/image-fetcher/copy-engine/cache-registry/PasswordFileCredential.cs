using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// A credential with a password file that may be replaced while the service runs, such as a mounted Secret. The file is read at most every
/// 10 seconds, and after a refusal; if it is unreadable or empty, the last password is kept.
/// </summary>
/// <param name="initial">The credential read at the start; null for none.</param>
/// <param name="file">The password file; null: the credential never changes.</param>
/// <param name="time">The clock.</param>
internal sealed class PasswordFileCredential(RegistryCredential? initial, string? file, TimeProvider time)
{
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(10);

    /// <summary>The shortest time between reads that are caused by refusals.</summary>
    private static readonly TimeSpan RefusalFreshness = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private RegistryCredential? _credential = initial;
    private DateTimeOffset _readAt = time.GetUtcNow();

    public RegistryCredential? Current => Read(Freshness);

    /// <summary>True when the current credential differs from the refused one.</summary>
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
                // The file is being replaced: the last password is used, and the registry decides whether it is still valid.
            }
            return _credential;
        }
    }

    /// <summary>The password in a file, without trailing line ends.</summary>
    public static string ReadPassword(string file) => File.ReadAllText(file).TrimEnd('\r', '\n');
}
