using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/glossary.md names types that exist, and each term once.</summary>
public sealed partial class GlossaryTests
{
    private static readonly string[] Lines = File.ReadAllLines(Path.Combine(Checkout.Root, "docs", "glossary.md"));

    [Fact]
    public void Every_type_that_the_glossary_names_exists()
    {
        var source = SourceText.Of("services", "shared");
        var named = Lines.Where(line => line.StartsWith('|')).SelectMany(line => TypeName().Matches(line))
            .Select(match => match.Groups[1].Value).ToList();

        Assert.True(named.Count > 40, $"{named.Count} names");
        Assert.DoesNotContain(named, name => !Regex.IsMatch(source, $@"\b(class|record|struct|interface|enum) {name}\b"));
    }

    [Fact]
    public void No_term_has_two_meanings()
    {
        var terms = Lines.Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line => line.Split('|')[1].Trim())
            .Where(term => term is not ("term" or "lock")).ToList();

        Assert.Equal(terms.Distinct(StringComparer.OrdinalIgnoreCase), terms);
    }

    [GeneratedRegex("`([A-Z][A-Za-z0-9]+)`")]
    private static partial Regex TypeName();
}
