using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Kuik.Hosting;

/// <summary>
/// A password or token in a file, read at start and again when it changes: a mounted Secret is rotated by writing the file anew, on each
/// node at another time. No request waits for the file. The previous value is kept in memory for <see cref="PreviousIsAccepted"/>.
/// </summary>
/// <remarks>
/// The file is polled every few seconds instead of watched: Kubernetes swaps a symbolic link two levels above it, which a
/// watch of the file does not notice.
/// </remarks>
public sealed partial class SecretFile : IDisposable
{
    /// <summary>The time between two reads.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>How long after a change <see cref="Matches"/> still accepts the previous value.</summary>
    public static readonly TimeSpan PreviousIsAccepted = TimeSpan.FromMinutes(15);

    /// <summary>
    /// How long after a change <see cref="ToSend"/> still returns the previous value: the kubelet takes up to two minutes
    /// to write a Secret on every node.
    /// </summary>
    public static readonly TimeSpan PreviousIsSent = TimeSpan.FromMinutes(3);

    private const int MaxLength = 4096;

    private readonly string _path;
    private readonly SecretKind _kind;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private Secrets _secrets = new(Value.Of(""), null, default);
    private string? _problem;

    /// <summary>Reads the file.</summary>
    /// <param name="key">The setting that names the file, for errors and logs.</param>
    /// <param name="path">The file. Its last line break is not part of the secret.</param>
    /// <param name="kind">The accepted content.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Gets changes and read errors, never the content.</param>
    /// <param name="mayBeMissing">True: a file that does not exist is not an error, and the value is empty until
    /// it exists. Default false.</param>
    /// <exception cref="InvalidSettingException">The file cannot be read, or its content is not accepted.</exception>
    public SecretFile(string key, string path, SecretKind kind, TimeProvider time, ILogger logger, bool mayBeMissing = false)
    {
        (_path, _kind, _time, _logger) = (path, kind, time, logger);
        var read = TryRead();
        if (read.Secret is { } secret)
            _secrets = new Secrets(Value.Of(secret), null, default);
        else if (mayBeMissing && read.IsMissing)
            LogMissing(path, key);
        else
            throw new InvalidSettingException(key, path, $"a readable file with {Accepted(kind)} ({read.Problem})");
        _problem = read.Problem;
        _timer = time.CreateTimer(_ => Reload(), null, Interval, Interval);
    }

    /// <summary>The newest value; empty until a file that may be missing exists.</summary>
    public string Current => Volatile.Read(ref _secrets).Current.Text;

    /// <summary>
    /// The value to send to another process, which may not have read the newest one yet; empty when <see cref="Current"/> is.
    /// </summary>
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

    /// <summary>True for the secret, and shortly after a change for the previous one. Takes constant time.</summary>
    public bool Matches(string shown)
    {
        var secrets = Volatile.Read(ref _secrets);
        if (secrets.Current.Text.Length == 0)
            return false;
        var hash = Value.HashOf(shown);
        var isCurrent = CryptographicOperations.FixedTimeEquals(hash, secrets.Current.Hash);
        var isPrevious = CryptographicOperations.FixedTimeEquals(hash, (secrets.Previous ?? secrets.Current).Hash);
        return isCurrent || (isPrevious && _time.GetUtcNow() - secrets.Since < PreviousIsAccepted);
    }

    /// <summary>
    /// Reads the file again. If it cannot be read, or holds no secret, the last value is kept and the error is logged once.
    /// </summary>
    public void Reload()
    {
        var read = TryRead();
        if (read.Problem is { } problem && problem != _problem)
            LogNotUsed(_path, problem, Current.Length == 0 ? "there is none yet" : "the previous secret is kept");
        _problem = read.Problem;
        if (read.Secret is not { } secret || secret == Current)
            return;
        // An absent value cannot be known to another process.
        var previous = Current.Length == 0 ? null : _secrets.Current;
        Volatile.Write(ref _secrets, new Secrets(Value.Of(secret), previous, _time.GetUtcNow()));
        if (previous is null)
            LogIsThere(_path);
        else
            LogChanged(_path);
    }

    public void Dispose() => _timer.Dispose();

    private ReadResult TryRead()
    {
        string secret;
        try
        {
            using var file = new StreamReader(_path, Encoding.UTF8);
            var buffer = new char[MaxLength + 3];
            secret = new string(buffer, 0, file.ReadBlock(buffer)).TrimEnd('\r', '\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ReadResult(null, e.Message, IsMissing: e is FileNotFoundException or DirectoryNotFoundException);
        }
        var problem = secret.Length > MaxLength ? $"it is longer than {MaxLength} characters"
            : secret.Length == 0 ? "it is empty"
            : secret.Any(char.IsControl) ? "it has more than one line or other control characters"
            : _kind == SecretKind.Token && !secret.All(IsOfToken) ? "it has characters that a token cannot have"
            : null;
        return new ReadResult(problem is null ? secret : null, problem, IsMissing: false);
    }

    private static string Accepted(SecretKind kind) =>
        kind == SecretKind.Token ? "one token in it (letters, digits and -._~+/=)" : "a password on one line in it";

    // token68 of RFC 9110, section 11.2.
    private static bool IsOfToken(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~' or '+' or '/' or '=';

    [LoggerMessage(LogLevel.Information, "{File} has changed: the new secret is used; the previous one is accepted for a while")]
    private partial void LogChanged(string file);

    [LoggerMessage(LogLevel.Warning, "{File} is not used: {Problem}; {Instead}")]
    private partial void LogNotUsed(string file, string problem, string instead);

    [LoggerMessage(LogLevel.Warning, "{File} ({Key}) does not exist: continuing without it until it does")]
    private partial void LogMissing(string file, string key);

    [LoggerMessage(LogLevel.Information, "{File} exists now: its secret is used")]
    private partial void LogIsThere(string file);

    /// <summary>The result of a read; either secret or problem is null.</summary>
    private readonly record struct ReadResult(string? Secret, string? Problem, bool IsMissing);

    private sealed record Secrets(Value Current, Value? Previous, DateTimeOffset Since);

    private sealed class Value(string text, byte[] hash)
    {
        public string Text { get; } = text;

        public byte[] Hash { get; } = hash;

        public static Value Of(string text) => new(text, HashOf(text));

        // All hashes have the same length, so that a comparison reveals nothing about the secret's.
        public static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
    }
}
