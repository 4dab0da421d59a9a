using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Kuik.Contracts;

/// <summary>
/// The name of an image, parsed once and normalised as the container ecosystem does (the grammar of distribution/reference):
/// Docker Hub's short names are written in full, its aliases become <c>docker.io</c>, hosts are lower case, a missing tag is <c>latest</c>.
/// Where there is a digest, a tag beside it is dropped: it does not decide what is pulled (nodes ask for the digest alone), and two
/// references to one digest must be one image, or the eviction of one would take the other along.
/// </summary>
/// <remarks>Two references are equal when they name the same image; <see cref="ToString"/> is the key of the image's stream.</remarks>
public sealed partial record ImageReference
{
    /// <summary>Longest name (host and repository together) that runtimes accept, in characters.</summary>
    public const int LongestName = 255;

    /// <summary>The host of Docker Hub in every reference, path and event.</summary>
    public const string DockerHub = "docker.io";

    private ImageReference(string host, string repository, string? tag, string? digest) =>
        (Host, Repository, Tag, Digest) = (host, repository, tag, digest);

    /// <summary>The registry as references name it, with its port if it has one: <c>docker.io</c>,
    /// <c>registry.example.com:5000</c>.</summary>
    public string Host { get; }

    /// <summary>Its registry is <c>localhost</c>, with a port or without: each node's own, so that no two nodes need mean the same
    /// image.</summary>
    public bool IsOfTheNode => Host == "localhost" || Host.StartsWith("localhost:", StringComparison.Ordinal);

    /// <summary>The path below the host: <c>library/nginx</c>.</summary>
    public string Repository { get; }

    /// <summary>The tag; null when the image is named by digest.</summary>
    public string? Tag { get; }

    /// <summary>Algorithm and hex digits (<c>sha256:…</c>); null when the image is named by tag.</summary>
    public string? Digest { get; }

    /// <summary>Host and repository: <c>docker.io/library/nginx</c>.</summary>
    public string Name => $"{Host}/{Repository}";

    /// <summary>The reference to request from a registry: the digest if there is one, else the tag.</summary>
    public string Target => Digest ?? Tag!;

    /// <summary>The normalised reference: <c>docker.io/library/nginx:1.27</c>, <c>docker.io/library/nginx@sha256:…</c>.</summary>
    public override string ToString() => Name + (Digest is null ? ":" + Tag : "@" + Digest);

    /// <summary>The same repository under another tag or digest.</summary>
    /// <param name="target">A tag, or a digest.</param>
    public ImageReference With(string target) =>
        target.Contains(':') ? new ImageReference(Host, Repository, null, target) : new ImageReference(Host, Repository, target, null);

    /// <summary>Parses a reference as a person or a pod writes it.</summary>
    /// <exception cref="FormatException">It is not one; the message names the problem.</exception>
    public static ImageReference Parse(string text) =>
        TryParse(text, out var reference, out var problem)
            ? reference
            : throw new FormatException($"\"{text}\" is not an image reference: {problem}");

    /// <summary>Parses a reference as a person or a pod writes it.</summary>
    /// <param name="text">For example <c>nginx</c>, <c>registry.example.com:5000/team/app:1.2@sha256:…</c>.</param>
    /// <param name="reference">The image, when the result is true.</param>
    /// <param name="problem">The problem and its place, when the result is false.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out ImageReference? reference, [NotNullWhen(false)] out string? problem)
    {
        reference = null;
        problem = null;
        var rest = text;

        // 1. The digest follows the first @.
        string? digest = null;
        if (rest.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at)
        {
            (rest, digest) = (rest[..at], rest[(at + 1)..]);
            if (!IsDigest(digest))
            {
                problem = $"\"{digest}\" after @ is not a digest (sha256: and 64 lower-case hex digits, or sha512: and 128)";
                return false;
            }
        }

        // 2. The tag follows the last colon behind the last slash.
        string? tag = null;
        if (rest.LastIndexOf(':') is >= 0 and var colon && colon > rest.LastIndexOf('/'))
        {
            (rest, tag) = (rest[..colon], rest[(colon + 1)..]);
            if (!IsTag(tag))
            {
                problem = $"\"{tag}\" is not a tag (letters, digits, _ . -, at most 128 characters, not starting with . or -)";
                return false;
            }
        }

        // 3. The host is the first part, if it looks like one; otherwise the image is Docker Hub's.
        var (host, repository) = SplitHost(rest);
        problem = ProblemOfName(host, repository);
        if (problem is not null)
            return false;
        if (tag is null && digest is null && HexDigest().IsMatch(rest))
        {
            problem = "64 hex digits alone would be an image id, not a name";
            return false;
        }

        reference = new ImageReference(host, repository, digest is null ? tag ?? "latest" : null, digest);
        return true;
    }

    /// <summary>A reference from parts that are known already, for example those of a request's path.</summary>
    /// <param name="host">With its port, if any.</param>
    /// <param name="repository">As a reference has it below its host: <c>library/nginx</c>, and for Docker Hub <c>nginx</c> too.</param>
    /// <param name="target">A tag or a digest.</param>
    /// <param name="reference">The image, when the result is true.</param>
    /// <param name="problem">The problem, when the result is false.</param>
    public static bool TryCreate(string host, string repository, string target, [NotNullWhen(true)] out ImageReference? reference,
        [NotNullWhen(false)] out string? problem)
    {
        reference = null;
        (host, repository) = Normalise(host, repository);
        problem = ProblemOfName(host, repository);
        if (problem is null && !IsTag(target) && !IsDigest(target))
            problem = $"\"{target}\" is neither a tag nor a digest";
        if (problem is not null)
            return false;
        reference = target.Contains(':')
            ? new ImageReference(host, repository, null, target)
            : new ImageReference(host, repository, target, null);
        return true;
    }

    /// <summary>True for a digest that Kuik can verify: <c>sha256:</c> and 64, or <c>sha512:</c> and 128, lower-case hex digits.</summary>
    public static bool IsDigest(string text) => Digests().IsMatch(text);

    /// <summary>True for a tag.</summary>
    public static bool IsTag(string text) => Tags().IsMatch(text);

    private static (string Host, string Repository) SplitHost(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : name[..slash];
        var isHost = first.AsSpan().ContainsAny('.', ':') || first == "localhost" || first.Any(char.IsAsciiLetterUpper);
        return isHost ? Normalise(first, name[(slash + 1)..]) : Normalise(DockerHub, name);
    }

    private static (string Host, string Repository) Normalise(string host, string repository)
    {
        host = host.ToLowerInvariant();
        if (host is "index.docker.io" or "registry-1.docker.io" or "registry.hub.docker.com")
            host = DockerHub;
        return (host, host == DockerHub && !repository.Contains('/') ? "library/" + repository : repository);
    }

    private static string? ProblemOfName(string host, string repository)
    {
        if (host.StartsWith('['))
            return $"the host \"{host}\" is an IPv6 literal, which the name of a cached image cannot hold: use a host name";
        if (!Hosts().IsMatch(host))
            return $"\"{host}\" is not a registry host (a name, or a name and a port)";
        if (host.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon
            && int.Parse(host.AsSpan(colon + 1), CultureInfo.InvariantCulture) is 0 or > 65535)
            return $"\"{host[(colon + 1)..]}\" in the host \"{host}\" is not a port (1 to 65535)";
        if (!host.AsSpan().ContainsAny('.', ':') && host != "localhost")
            return $"the host \"{host}\" has neither a dot nor a port: written in lower case it would be a part of a Docker Hub name";
        if (repository.Any(char.IsAsciiLetterUpper))
            return $"the repository \"{repository}\" must be lower case";
        if (!Repositories().IsMatch(repository))
            return $"\"{repository}\" is not a repository (parts of a-z 0-9, joined inside by . _ __ or dashes, and / between them)";
        if (host.Length + 1 + repository.Length > LongestName)
            return $"the name is {host.Length + 1 + repository.Length} characters long; {LongestName} are allowed";
        return null;
    }

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?\z")]
    private static partial Regex Hosts();

    [GeneratedRegex(@"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z")]
    private static partial Regex Repositories();

    [GeneratedRegex(@"\A[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}\z")]
    private static partial Regex Tags();

    [GeneratedRegex(@"\A(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\z")]
    private static partial Regex Digests();

    [GeneratedRegex(@"\A[0-9a-f]{64}\z")]
    private static partial Regex HexDigest();
}
