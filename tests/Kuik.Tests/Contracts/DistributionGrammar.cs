using System.Text.RegularExpressions;

namespace Kuik.Tests.Contracts;

/// <summary>
/// The grammar of distribution/reference (ParseNormalizedNamed), as published, line by line. It knows Docker Hub's short names only.
/// </summary>
internal static class DistributionGrammar
{
    private const string DomainComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    private const string Host = $@"(?:{DomainComponent}(?:\.{DomainComponent})*|\[[a-fA-F0-9:]+\])";
    private const string Domain = $"{Host}(?::[0-9]+)?";
    private const string AlphaNumeric = "[a-z0-9]+";
    private const string Separator = "(?:[._]|__|-*)";
    private const string PathComponent = $"{AlphaNumeric}(?:{Separator}{AlphaNumeric})*";
    private const string RemoteName = $"{PathComponent}(?:/{PathComponent})*";
    private const string Tag = "[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}";
    private const string DigestComponent = "[A-Za-z][A-Za-z0-9]*";
    private const string Digest = $"{DigestComponent}(?:[-_+.]{DigestComponent})*:[0-9a-fA-F]{{32,}}";
    private const int LongestPath = 255;

    private static readonly Regex Reference =
        new($@"\A{Domain}/(?<path>{RemoteName})(?::{Tag})?(?:@{Digest})?\z", RegexOptions.NonBacktracking);
    private static readonly Regex Identifier = new(@"\A[a-f0-9]{64}\z");

    public static bool Accepts(string text)
    {
        if (Identifier.IsMatch(text))
            return false;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : text[..slash];
        var isDomain = first == "localhost" || first.AsSpan().ContainsAny('.', ':') || first.Any(char.IsUpper);
        var (domain, rest) = isDomain ? (first, text[(slash + 1)..]) : ("docker.io", text);
        if (domain is "docker.io" or "index.docker.io" && !rest.Contains('/'))
            rest = "library/" + rest;
        return Reference.Match($"{domain}/{rest}") is { Success: true } match && match.Groups["path"].Length <= LongestPath;
    }
}
