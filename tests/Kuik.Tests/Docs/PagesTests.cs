using System.Text.RegularExpressions;
using Kuik.ImageFetcher;
using Kuik.Testing;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Kuik.Tests.Docs;

/// <summary>README.md and docs/ name what there is: files, headings, settings; and their manifests are YAML.</summary>
public sealed partial class PagesTests
{
    private static readonly Lazy<string> Source = new(() => SourceText.Of("services", "shared", "tools"));

    public static TheoryData<string> Pages =>
    [
        "README.md",
        .. Directory.EnumerateFiles(Path.Combine(Checkout.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Checkout.Root, file)).Order(),
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_relative_link_leads_to_a_file_and_to_a_heading_in_it(string page)
    {
        var links = Link().Matches(Read(page)).Select(match => match.Groups[1].Value)
            .Where(link => !link.Contains("://", StringComparison.Ordinal));

        Assert.DoesNotContain(links, link => !Resolves(page, link));
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_setting_that_is_named_exists(string page)
    {
        var settings = Setting().Matches(Read(page)).Select(match => match.Value.Replace("__", ":", StringComparison.Ordinal)).Distinct();

        Assert.DoesNotContain(settings, setting => !Regex.IsMatch(Source.Value, $@"{setting}\b"));
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_manifest_is_YAML(string page)
    {
        foreach (Match manifest in Yaml().Matches(Read(page)))
        {
            var documents = new YamlStream();
            documents.Load(new StringReader(manifest.Groups[1].Value));

            Assert.All(documents.Documents, document => Assert.IsType<YamlMappingNode>(document.RootNode));
        }
    }

    [Fact]
    public void The_kinds_of_failures_are_those_that_are_retried_after_the_same_waits()
    {
        var rows = KindOfFailure().Matches(Read(Path.Combine("docs", "events.md")))
            .Select(match => (match.Groups[1].Value, Duration(match.Groups[2].Value), Duration(match.Groups[3].Value)));

        Assert.Equal(FetchRetryPolicy.Waits.Select(wait => (wait.Key, wait.Value.First, wait.Value.Longest)), rows);
    }

    private static string Read(string page) => File.ReadAllText(Path.Combine(Checkout.Root, page));

    private static bool Resolves(string page, string link)
    {
        var (path, heading) = link.Split('#', 2) is [var before, var after] ? (before, after) : (link, "");
        var file = path.Length == 0 ? Path.Combine(Checkout.Root, page) : Path.Combine(Checkout.Root, Path.GetDirectoryName(page)!, path);
        return (File.Exists(file) || Directory.Exists(file)) && (heading.Length == 0 || Headings(file).Contains(heading));
    }

    // As GitHub names them: lower case, spaces as dashes, punctuation left out.
    private static IEnumerable<string> Headings(string file) => Heading().Matches(File.ReadAllText(file))
        .Select(match => Punctuation().Replace(match.Groups[1].Value.ToLowerInvariant(), "").Replace(' ', '-'));

    private static TimeSpan Duration(string text) => text.Split(' ') switch
    {
        [var number, "s"] => TimeSpan.FromSeconds(int.Parse(number, provider: null)),
        [var number, "min"] => TimeSpan.FromMinutes(int.Parse(number, provider: null)),
        [var number, "h"] => TimeSpan.FromHours(int.Parse(number, provider: null)),
        _ => throw new FormatException(text),
    };

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("Kuik(?:(?::|__)[A-Z][A-Za-z0-9]*)+")]
    private static partial Regex Setting();

    [GeneratedRegex(@"^ *```yaml\n(.*?)^ *```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Yaml();

    [GeneratedRegex(@"^#+ (.+?)\s*$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex Punctuation();

    [GeneratedRegex(@"^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", RegexOptions.Multiline)]
    private static partial Regex KindOfFailure();
}
