using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Configuration;

namespace Kuik.Hosting;

/// <summary>Reads settings from .NET's configuration, and refuses invalid ones by name.</summary>
public static class ConfigurationReader
{
    /// <summary>A setting of a simple type, or its default when it is absent or empty.</summary>
    /// <param name="configuration">The service's configuration.</param>
    /// <param name="key">For example <c>Kuik:ExpiryDelay</c>.</param>
    /// <param name="fallback">The default.</param>
    /// <param name="accepted">The accepted values, in words, for the error.</param>
    /// <param name="isValid">Further conditions; null for none.</param>
    /// <exception cref="InvalidSettingException">The value is of another type or not valid.</exception>
    public static T Read<T>(this IConfiguration configuration, string key, T fallback, string accepted, Func<T, bool>? isValid = null)
        where T : IParsable<T>
    {
        var text = configuration[key];
        if (string.IsNullOrWhiteSpace(text))
            return fallback;
        if (!T.TryParse(text, CultureInfo.InvariantCulture, out var value) || isValid?.Invoke(value) == false)
            throw new InvalidSettingException(key, text, accepted);
        return value;
    }

    /// <summary>
    /// A number of bytes with the units of Kubernetes quantities: <c>1000</c>, <c>500M</c> and <c>20G</c> (powers of 1000:
    /// k, M, G, T), <c>20Gi</c> (powers of 1024: Ki, Mi, Gi, Ti); a B may follow (<c>20GB</c>, <c>20 GiB</c>). The default
    /// when the setting is absent or empty.
    /// </summary>
    /// <exception cref="InvalidSettingException">Any other text (<c>K</c>, which is 1000 to some and 1024 to others, included), or a size
    /// outside 1 to <paramref name="most"/>.</exception>
    public static long ReadSize(this IConfiguration configuration, string key, long fallback, long most = long.MaxValue)
    {
        if (configuration[key] is not { Length: > 0 } text)
            return fallback;
        return TryParseSize(text.AsSpan().Trim(), out var size) && size <= most
            ? size
            : throw new InvalidSettingException(
                key, text,
                "a number of bytes, or one with k, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti (powers of 1024) behind it, such as 20Gi"
                + (most == long.MaxValue ? "" : $"; at most {most} bytes"));
    }

    private static bool TryParseSize(ReadOnlySpan<char> text, out long size)
    {
        var digits = text.IndexOfAnyExceptInRange('0', '9') is >= 0 and var end ? text[..end] : text;
        long? unit = text[digits.Length..].TrimStart() switch
        {
            "" or "B" => 1,
            "k" or "kB" => 1_000,
            "M" or "MB" => 1_000_000,
            "G" or "GB" => 1_000_000_000,
            "T" or "TB" => 1_000_000_000_000,
            "Ki" or "KiB" => 1L << 10,
            "Mi" or "MiB" => 1L << 20,
            "Gi" or "GiB" => 1L << 30,
            "Ti" or "TiB" => 1L << 40,
            _ => null,
        };
        size = 0;
        if (unit is not { } factor || !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || number <= 0 || number > long.MaxValue / factor)
            return false;
        size = number * factor;
        return true;
    }

    /// <summary>An HTTP address without a trailing slash, or null when the setting is absent and has no default.</summary>
    /// <exception cref="InvalidSettingException">The value is not an absolute http or https address.</exception>
    public static Uri? ReadEndpoint(this IConfiguration configuration, string key, string? fallback)
    {
        var text = configuration[key] is { Length: > 0 } set ? set : fallback;
        if (text is null)
            return null;
        return TryParseEndpoint(text, out var endpoint)
            ? endpoint
            : throw new InvalidSettingException(key, text, "an address such as http://registry:5000");
    }

    /// <summary>
    /// Parses an HTTP address, without its path. An IPv6 address needs no brackets where a port follows, as in the
    /// <c>http://$(…_SERVICE_HOST):$(…_SERVICE_PORT)</c> of a container.
    /// </summary>
    /// <param name="text">For example <c>http://registry:5000</c>, <c>http://fd00:10:96::5:5000</c>.</param>
    /// <param name="endpoint">Scheme, host and port, when the result is true.</param>
    public static bool TryParseEndpoint(string text, [NotNullWhen(true)] out Uri? endpoint)
    {
        text = text.Trim();
        var begin = text.IndexOf("://", StringComparison.Ordinal) + 3;
        var authority = text.AsSpan(Math.Min(begin, text.Length)).TrimEnd('/');
        var port = authority.LastIndexOf(':');
        if (begin > 3 && authority.Count(':') > 2 && authority[0] != '[' && IPAddress.TryParse(authority[..port], out var address))
            text = $"{text.AsSpan(0, begin)}[{address}]{authority[port..]}";
        endpoint = Uri.TryCreate(text, UriKind.Absolute, out var parsed) && parsed is { Scheme: "http" or "https" }
            ? new Uri(parsed.GetLeftPart(UriPartial.Authority))
            : null;
        return endpoint is not null;
    }

    /// <summary>A list: <c>Key:0</c>, <c>Key:1</c> and so on, or one value with commas; the default when it is absent.</summary>
    public static IReadOnlyList<string> ReadList(this IConfiguration configuration, string key, params string[] fallback)
    {
        var section = configuration.GetSection(key);
        var values = section.Value is { } joined
            ? joined.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            : [.. section.GetChildren().Select(child => child.Value ?? "")];
        return values.Length == 0 && section.Value is null ? fallback : values;
    }

    /// <summary>A setting without a default.</summary>
    /// <exception cref="InvalidSettingException">It is absent or empty.</exception>
    public static string ReadRequired(this IConfiguration configuration, string key, string accepted) =>
        configuration[key] is { Length: > 0 } value ? value : throw new InvalidSettingException(key, configuration[key], accepted);
}
