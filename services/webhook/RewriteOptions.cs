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

    private static Regex Expression(string key, string text)
    {
        if (text.Length == 0)
            throw new InvalidSettingException(key, text, "a regular expression; an empty one would match every image");
        return GoExpression.TryParse(text, out var expression, out var problem)
            ? expression
            : throw new InvalidSettingException(key, text, $"a regular expression ({problem})");
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
