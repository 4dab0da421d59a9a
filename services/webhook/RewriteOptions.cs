using System.Text.RegularExpressions;
using Kuik.Contracts;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>The options that decide which images are rewritten, and to which address. Read once, at start.</summary>
public sealed partial record RewriteOptions
{
    /// <summary>node-proxy's port, which rewritten images name. 1 to 65535, default 7439.</summary>
    public int Port { get; init; } = 7439;

    /// <summary>Ports that node-proxy had before: images we rewrote to them are ours, and are re-pointed. Default none.</summary>
    public IReadOnlyList<int> PreviousPorts { get; init; } = [];

    /// <summary>Leave containers alone that pull at every start: the cache would not be newer than their last pull. Default true.</summary>
    public bool IgnorePullPolicyAlways { get; init; } = true;

    /// <summary>Images that are left alone if one of these matches anywhere in the image as the pod has it. Default none.</summary>
    public IReadOnlyList<Regex> IgnoredImages { get; init; } = [];

    /// <summary>If there are any, only images are rewritten that one of these matches. Default none: all are.</summary>
    public IReadOnlyList<Regex> AcceptedImages { get; init; } = [];

    /// <summary>Pods that are left alone as a whole. Default: those that no node-proxy serves, and critical ones.</summary>
    public PodExclusions Exclusions { get; init; } = new();

    /// <summary>The port is node-proxy's now, or was.</summary>
    public bool IsOurPort(int port) => port == Port || PreviousPorts.Contains(port);

    /// <summary>The image is pulled from node-proxy.</summary>
    public bool IsOurs(string image) => LocalReference.TryRest(image, out var port, out _) && IsOurPort(port);

    /// <summary>Reads <c>Kuik:Proxy:Port</c>, <c>Kuik:Proxy:PreviousPorts</c> and <c>Kuik:Webhook:*</c>.</summary>
    /// <exception cref="InvalidSettingException">A value cannot be used.</exception>
    public static RewriteOptions From(IConfiguration configuration)
    {
        var defaults = new RewriteOptions();
        return new RewriteOptions
        {
            Port = configuration.Read("Kuik:Proxy:Port", defaults.Port, APort, IsPort),
            PreviousPorts = [.. configuration.ReadList("Kuik:Proxy:PreviousPorts").Select(AsPort)],
            IgnorePullPolicyAlways =
                configuration.Read("Kuik:Webhook:IgnorePullPolicyAlways", defaults.IgnorePullPolicyAlways, "true or false"),
            IgnoredImages = ReadExpressions(configuration, "Kuik:Webhook:IgnoredImages"),
            AcceptedImages = ReadExpressions(configuration, "Kuik:Webhook:AcceptedImages"),
            Exclusions = PodExclusions.From(configuration),
        };
    }

    /// <summary>
    /// A regular expression as v1 took it (Go's), for the characters that an image reference can have: it means the same here, or it is
    /// refused. The differences are out of their range: <c>\d</c> and <c>\w</c> also match digits and letters outside ASCII here, and
    /// <c>$</c> also matches before a line feed at the very end. It runs in linear time, so that no image can hold up admission with it.
    /// </summary>
    /// <exception cref="InvalidSettingException">It is none, or one that only other engines know.</exception>
    private static Regex Expression(string key, string text)
    {
        if (text.Length == 0)
            throw new InvalidSettingException(key, text, "a regular expression; an empty one would match every image");
        if (text.Contains("[:", StringComparison.Ordinal))
            throw new InvalidSettingException(key, text,
                "a regular expression without named character classes: write [a-z] for [[:lower:]]");
        try
        {
            // (?P<name>…) is Go's way to write (?<name>…).
            return new Regex(text.Replace("(?P<", "(?<", StringComparison.Ordinal),
                RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidSettingException(key, text, $"a regular expression ({wrong.Message})");
        }
        catch (NotSupportedException wrong)
        {
            throw new InvalidSettingException(key, text, $"a regular expression that runs in linear time ({wrong.Message})");
        }
    }

    // One value with commas is a list too, but not at the comma of a{1,3}.
    private static Regex[] ReadExpressions(IConfiguration configuration, string key) =>
        configuration.GetSection(key) is { Value: { } joined }
            ? [.. ListComma().Split(joined).Select(text => text.Trim()).Where(text => text.Length > 0)
                .Select(text => Expression(key, text))]
            : [.. configuration.GetSection(key).GetChildren().Select(child => Expression(child.Path, child.Value ?? ""))];

    private const string APort = "a port, 1 to 65535";

    private static bool IsPort(int port) => port is >= 1 and <= 65535;

    private static int AsPort(string text) =>
        int.TryParse(text, out var port) && IsPort(port)
            ? port
            : throw new InvalidSettingException("Kuik:Proxy:PreviousPorts", text, "a list of ports, 1 to 65535");

    [GeneratedRegex(@",(?![0-9]*\})")]
    private static partial Regex ListComma();
}
