using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/walkthrough.md names files and methods that exist.</summary>
public sealed partial class WalkthroughPageTests
{
    public static TheoryData<string, string> Hops =>
        [.. Hop().Matches(SourceText.Page("walkthrough.md")).Select(match => (match.Groups[1].Value, match.Groups[2].Value))];

    [Theory]
    [MemberData(nameof(Hops))]
    public void Every_hop_is_a_method_of_its_file(string file, string method) =>
        Assert.Matches($@"\b{method}(<\w+>)?\(", File.ReadAllText(Path.Combine(Checkout.Root, file)));

    [Fact]
    public void There_is_a_hop_in_every_service()
    {
        string[] services = ["webhook", "pod-watcher", "image-fetcher", "node-proxy", "expiry"];

        Assert.DoesNotContain(services,
            service => !Hops.Any(hop => hop.Data.Item1.StartsWith($"services/{service}/", StringComparison.Ordinal)));
    }

    [GeneratedRegex(@"\| ([\w/.-]+\.cs) \| (\w+) \|$", RegexOptions.Multiline)]
    private static partial Regex Hop();
}
