using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Kuik.Contracts;

/// <summary>
/// The image of a rewritten container: <c>localhost:&lt;port&gt;/</c> and the image as it was written, with <c>host:port</c> as
/// <c>host_port</c>. The webhook writes it, of containers and of image volumes; pod-watcher reads it back where the pod's annotations are
/// gone (ephemeral containers).
/// </summary>
public static partial class LocalReference
{
    /// <summary>Writes the local reference of an image.</summary>
    /// <param name="written">The image as the pod has it: <c>nginx</c>, <c>registry.example.com:5000/app:1</c>.</param>
    /// <param name="port">node-proxy's port.</param>
    /// <param name="local">The reference to put in its place, when the result is true. It reads back as the same image.</param>
    /// <param name="problem">Why the image has to stay as it is, when the result is false.</param>
    public static bool TryWrite(string written, int port, [NotNullWhen(true)] out string? local, [NotNullWhen(false)] out string? problem)
    {
        local = null;
        if (!ImageReference.TryParse(written, out var image, out problem))
            return false;
        if (image.IsOfTheNode)
        {
            problem = $"{image.Host} is a registry of the node itself";
            return false;
        }

        var inFull = CachePath.Of(image) + image.ToString()[image.Name.Length..];
        foreach (var candidate in new[] { AsWritten(written), inFull })
        {
            local = $"localhost:{port}/{candidate}";
            // A runtime has to accept it (REG.IO is a host, but no repository; the name may have become too long), and it has to say its
            // origin.
            if (ImageReference.TryParse(local, out _, out problem) && TryRead(local, [port], out var readBack) && readBack == image)
                return true;
        }

        local = null;
        problem = $"its local name would not be valid: {problem}";
        return false;
    }

    /// <summary>Reads the image out of a local reference.</summary>
    /// <param name="local">For example <c>localhost:7439/nginx:1.27</c>.</param>
    /// <param name="ports">The ports that are node-proxy's: the current one and previous ones.</param>
    /// <param name="image">The image, when the result is true.</param>
    public static bool TryRead(string local, IReadOnlyCollection<int> ports, [NotNullWhen(true)] out ImageReference? image)
    {
        image = null;
        if (!TryRest(local, out var port, out var rest) || !ports.Contains(port))
            return false;

        // The rest is name[:tag][@digest], where the name is a path as node-proxy would be asked for it.
        var at = rest.IndexOf('@', StringComparison.Ordinal);
        var digest = at < 0 ? "" : rest[at..];
        var named = at < 0 ? rest : rest[..at];
        var colon = named.LastIndexOf(':');
        var tag = colon < 0 ? "" : named[colon..];
        var path = colon < 0 ? named : named[..colon];
        return CachePath.TryRead(path, "latest", out var repository, out _)
            && ImageReference.TryParse(repository.Name + tag + digest, out image, out _);
    }

    /// <summary>Splits <c>localhost:PORT/rest</c>.</summary>
    /// <param name="reference">Any reference.</param>
    /// <param name="port">The port, when the result is true.</param>
    /// <param name="rest">The part after the slash, when the result is true.</param>
    public static bool TryRest(string reference, out int port, [NotNullWhen(true)] out string? rest)
    {
        var match = Local().Match(reference);
        (port, rest) = match.Success ? (int.Parse(match.Groups[1].ValueSpan, provider: null), match.Groups[2].Value) : (0, null);
        return match.Success;
    }

    private static string AsWritten(string written)
    {
        var slash = written.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? written : written[..slash].Replace(':', '_') + written[slash..];
    }

    [GeneratedRegex(@"\Alocalhost:([0-9]{1,5})/(.+)\z", RegexOptions.Singleline)]
    private static partial Regex Local();
}
