namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>An operating system, an architecture, and a variant of it where it has several.</summary>
/// <param name="Os">For example <c>linux</c>.</param>
/// <param name="Architecture">As Go names it: <c>amd64</c>, <c>arm64</c>.</param>
/// <param name="Variant">For example <c>v7</c>; null for none.</param>
internal sealed record Platform(string Os, string Architecture, string? Variant = null)
{
    public override string ToString() => Variant is null ? $"{Os}/{Architecture}" : $"{Os}/{Architecture}/{Variant}";

    /// <summary>Reads <c>os/arch[/variant]</c>, or an architecture alone (then for Linux, as in v1); null when it is neither.</summary>
    public static Platform? TryParse(string text)
    {
        var parts = text.Trim().ToLowerInvariant().Split('/');
        return parts.Any(part => part.Length == 0 || part.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_'))) ? null : parts switch
        {
            [var architecture] => new Platform("linux", architecture).Normalise(),
            [var os, var architecture] => new Platform(os, architecture).Normalise(),
            [var os, var architecture, var variant] => new Platform(os, architecture, variant).Normalise(),
            _ => null,
        };
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
    /// Which entries of an index a wanted platform means. With a variant: those that have it, or leave it out where it is the usual one.
    /// Without: the usual variant of the architecture; where the index does not have that, every variant. An index of Windows images may have several that fit.
    /// </summary>
    public static IReadOnlyList<T> Choose<T>(Platform wanted, IReadOnlyList<T> entries, Func<T, Platform?> platformOf)
    {
        var candidates = entries.Where(entry => platformOf(entry)?.Normalise() is { } p && p.Os == wanted.Os && p.Architecture == wanted.Architecture).ToList();
        var variant = wanted.Variant ?? Usual(wanted.Architecture);
        var exact = candidates.Where(entry => (platformOf(entry)!.Normalise().Variant ?? Usual(wanted.Architecture)) == variant).ToList();
        return exact.Count > 0 || wanted.Variant is not null ? exact : candidates;
    }

    // What an architecture without a variant means (image-spec, image-index.md, "Platform Variants"; containerd's defaults).
    private static string? Usual(string architecture) => architecture switch
    {
        "arm64" => "v8",
        "arm" => "v7",
        "amd64" => "v1",
        _ => null,
    };
}
