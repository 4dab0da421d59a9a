using System.Text.RegularExpressions;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>An operating system, an architecture, and its variant if it has several. An index's <c>os.features</c> are ignored.</summary>
/// <param name="Os">For example <c>linux</c>.</param>
/// <param name="Architecture">As Go names it: <c>amd64</c>, <c>arm64</c>.</param>
/// <param name="Variant">For example <c>v7</c>; null for none.</param>
/// <param name="OsVersion">For example <c>10.0.20348</c>, or the longer one of an index's entry; null for none.</param>
internal sealed partial record Platform(string Os, string Architecture, string? Variant = null, string? OsVersion = null)
{
    /// <summary>The syntax that <see cref="TryParse"/> accepts, for messages.</summary>
    public const string Accepted = "os/arch[/variant], os(version)/arch as in windows(10.0.20348)/amd64, or an architecture";

    public override string ToString() =>
        $"{Os}{(OsVersion is null ? "" : $"({OsVersion})")}/{Architecture}{(Variant is null ? "" : "/" + Variant)}";

    /// <summary>
    /// Parses <c>os[(version)]/arch[/variant]</c> as containerd does, or an architecture alone, which is Linux's (v1 named architectures
    /// only); null when it is neither.
    /// </summary>
    public static Platform? TryParse(string text)
    {
        if (Written().Match(text.Trim().ToLowerInvariant()) is not { Success: true } match)
            return null;
        return new Platform(Group("os") ?? "linux", Group("arch")!, Group("variant"), Group("version")).Normalise();

        string? Group(string name) => match.Groups[name] is { Success: true } group ? group.Value : null;
    }

    /// <summary>The same platform under the names that Go uses (as containerd's platform normalisation does).</summary>
    public Platform Normalise() => (Architecture, Variant) switch
    {
        ("x86_64" or "x86-64", _) => this with { Architecture = "amd64" },
        ("aarch64", _) => this with { Architecture = "arm64" },
        ("armhf", null) => this with { Architecture = "arm", Variant = "v7" },
        ("armel", null) => this with { Architecture = "arm", Variant = "v6" },
        ("i386", _) => this with { Architecture = "386" },
        _ => this,
    };

    /// <summary>
    /// The entries of an index that match a wanted platform. With a variant: those that have it, or omit it where it is the usual one.
    /// Without: the usual variant of the architecture; if the index does not have that, every variant. A version of Windows matches the
    /// versions that begin with it; without one, all of them.
    /// </summary>
    public static IReadOnlyList<T> Choose<T>(Platform wanted, IReadOnlyList<T> entries, Func<T, Platform?> platformOf)
    {
        var candidates = entries.Where(entry => platformOf(entry)?.Normalise() is { } p && p.Os == wanted.Os
            && p.Architecture == wanted.Architecture
            && (wanted.OsVersion is null || p.OsVersion == wanted.OsVersion
            || p.OsVersion?.StartsWith(wanted.OsVersion + ".", StringComparison.Ordinal) == true)).ToList();
        var variant = wanted.Variant ?? Usual(wanted.Architecture);
        var exact = candidates.Where(entry => (platformOf(entry)!.Normalise().Variant ?? Usual(wanted.Architecture)) == variant).ToList();
        return exact.Count > 0 || wanted.Variant is not null ? exact : candidates;
    }

    // The default variant of an architecture (image-spec, image-index.md, "Platform Variants"; containerd's defaults).
    private static string? Usual(string architecture) => architecture switch
    {
        "arm64" => "v8",
        "arm" => "v7",
        "amd64" => "v1",
        _ => null,
    };

    [GeneratedRegex(@"\A((?<os>[a-z0-9._-]+)(\((?<version>[a-z0-9._-]+)\))?/(?<arch>[a-z0-9._-]+)(/(?<variant>[a-z0-9._-]+))?|(?<arch>[a-z0-9._-]+))\z")]
    private static partial Regex Written();
}
