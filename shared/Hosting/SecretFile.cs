using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Kuik.Hosting;

/// <summary>
/// A password or token in a file, which is read at start and again when it changes: a Secret that Kubernetes mounts is rotated by writing
/// the file anew, on each node
/// at another time. No request waits for the file. The previous value is remembered in memory for <see cref="PreviousIsAccepted"/>.
/// </summary>
/// <remarks>
/// The file is read every few seconds instead of watched: Kubernetes swaps a symbolic link two levels above it, which a watch of the file
/// does not see.
/// </remarks>
public sealed partial class SecretFile : IDisposable
{
    /// <summary>Between two reads.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>How long after a change <see cref="Matches"/> still accepts the value before it.</summary>
    public static readonly TimeSpan PreviousIsAccepted = TimeSpan.FromMinutes(15);

    /// <summary>
    /// How long after a change <see cref="ToSend"/> is still the value before it: the kubelet takes up to two minutes to write a Secret
    /// on every node.
    /// </summary>
    public static readonly TimeSpan PreviousIsSent = TimeSpan.FromMinutes(3);

    private const int MaxLength = 4096;

    private readonly string _path;
    private readonly SecretKind _kind;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private Secrets _secrets;
    private string? _problem;

    /// <summary>Reads the file.</summary>
    /// <param name="key">The setting that names the file, for errors and logs.</param>
    /// <param name="path">The file. Its last line break is not part of the secret.</param>
    /// <param name="kind">What it may hold.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told of changes and of a file that cannot be read any more, never of its content.</param>
    /// <exception cref="WrongSetting">The file cannot be read, or holds something else.</exception>
    public SecretFile(string key, string path, SecretKind kind, TimeProvider time, ILogger logger)
    {
        (_path, _kind, _time, _logger) = (path, kind, time, logger);
        if (TryRead(out var problem) is not { } secret)
            throw new WrongSetting(key, path, $"a readable file with {Accepted(kind)} ({problem})");
        _secrets = new Secrets(Value.Of(secret), null, default);
        _timer = time.CreateTimer(_ => Reload(), null, Interval, Interval);
    }

    /// <summary>The newest value.</summary>
    public string Current => Volatile.Read(ref _secrets).Current.Text;

    /// <summary>The value to show to another process, which may not have read the newest one yet.</summary>
    public string ToSend
    {
        get
        {
            var secrets = Volatile.Read(ref _secrets);
            return secrets.Previous is { } previous && _time.GetUtcNow() - secrets.Since < PreviousIsSent
                ? previous.Text
                : secrets.Current.Text;
        }
    }

    /// <summary>Is this the secret, or the one before it shortly after a change? Takes the same time whatever the difference.</summary>
    public bool Matches(string shown)
    {
        var secrets = Volatile.Read(ref _secrets);
        var hash = Value.HashOf(shown);
        var isCurrent = CryptographicOperations.FixedTimeEquals(hash, secrets.Current.Hash);
        var isPrevious = CryptographicOperations.FixedTimeEquals(hash, (secrets.Previous ?? secrets.Current).Hash);
        return isCurrent || (isPrevious && _time.GetUtcNow() - secrets.Since < PreviousIsAccepted);
    }

    /// <summary>Reads the file again. One that cannot be read, or holds no secret, leaves everything as it is and is logged once.</summary>
    public void Reload()
    {
        var secret = TryRead(out var problem);
        if (problem is not null && problem != _problem)
            LogKept(_path, problem);
        _problem = problem;
        if (secret is null || secret == Current)
            return;
        Volatile.Write(ref _secrets, new Secrets(Value.Of(secret), _secrets.Current, _time.GetUtcNow()));
        LogChanged(_path);
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Null with the problem.</summary>
    private string? TryRead(out string? problem)
    {
        problem = null;
        string secret;
        try
        {
            using var file = new StreamReader(_path, Encoding.UTF8);
            var buffer = new char[MaxLength + 3];
            secret = new string(buffer, 0, file.ReadBlock(buffer)).TrimEnd('\r', '\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = e.Message;
            return null;
        }
        problem = secret.Length > MaxLength ? $"it is longer than {MaxLength} characters"
            : secret.Length == 0 ? "it is empty"
            : secret.Any(char.IsControl) ? "it has more than one line or other control characters"
            : _kind == SecretKind.Token && !secret.All(IsOfToken) ? "it has characters that a token cannot have"
            : null;
        return problem is null ? secret : null;
    }

    private static string Accepted(SecretKind kind) =>
        kind == SecretKind.Token ? "one token in it (letters, digits and -._~+/=)" : "a password on one line in it";

    // token68 of RFC 9110, section 11.2.
    private static bool IsOfToken(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~' or '+' or '/' or '=';

    [LoggerMessage(LogLevel.Information, "{File} has changed: the new secret is used; the one before it is accepted for a while")]
    private partial void LogChanged(string file);

    [LoggerMessage(LogLevel.Warning, "{File} is not used: {Problem}; the secret read from it before is kept")]
    private partial void LogKept(string file, string problem);

    private sealed record Secrets(Value Current, Value? Previous, DateTimeOffset Since);

    private sealed class Value(string text, byte[] hash)
    {
        public string Text { get; } = text;

        public byte[] Hash { get; } = hash;

        public static Value Of(string text) => new(text, HashOf(text));

        // All hashes have the same length, so that a comparison says nothing about the secret's.
        public static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
    }
}

/// <summary>What a <see cref="SecretFile"/> holds.</summary>
public enum SecretKind
{
    /// <summary>Any text on one line.</summary>
    Password,

    /// <summary>What may stand behind <c>Authorization: Bearer</c>.</summary>
    Token,
}
