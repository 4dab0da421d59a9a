using System.Reflection;
using System.Text.RegularExpressions;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/cached-images.md lists every phase and every reason of a condition, once.</summary>
public sealed partial class CachedImagesPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "cached-images.md"));

    [Fact]
    public void Every_reason_of_a_condition_has_one_row() => Assert.Equal(Constants(typeof(ConditionReason)), Named(Reason()));

    [Fact]
    public void Every_phase_has_one_row() => Assert.Equal(Constants(typeof(CachedImagePhase)), Named(Phase()));

    private static IEnumerable<string> Constants(Type type) => type.GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (string)field.GetRawConstantValue()!).Order(StringComparer.Ordinal);

    private static IEnumerable<string> Named(Regex row) =>
        row.Matches(Page).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal);

    [GeneratedRegex(@"^\|[^|]*\| (?:True|False|Unknown) \| `(\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex Reason();

    [GeneratedRegex(@"^\| `(\w+)` \| [^|]+ \|$", RegexOptions.Multiline)]
    private static partial Regex Phase();
}
