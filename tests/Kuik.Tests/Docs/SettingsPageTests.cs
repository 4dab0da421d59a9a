using System.Text.RegularExpressions;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/settings.md has one row for every setting that the code reads, and none for another.</summary>
public sealed partial class SettingsPageTests
{
    /// <summary>Names of earlier releases: the page's last paragraph has them.</summary>
    private static readonly string[] Aliases = ["Kuik:Fetch:Followers", "Kuik:Proxy:AllowedOrigins", "Kuik:Proxy:DeniedOrigins"];

    private static readonly string Page = SourceText.Page("settings.md");
    private static readonly string Source = SourceText.Of("services", "shared");
    private static readonly string[] Rows = [.. Row().Matches(Page).Select(match => match.Groups[1].Value)];

    [Fact]
    public void Every_setting_has_one_row()
    {
        var read = Key().Matches(Source).Select(match => match.Groups[1].Value).Except(Aliases).Distinct().Order(StringComparer.Ordinal);

        Assert.Equal(read, Rows.Where(row => row.StartsWith("Kuik:", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Names_of_earlier_releases_are_listed() =>
        Assert.DoesNotContain(Aliases, alias => !Page.Contains($"`{alias}`", StringComparison.Ordinal));

    [Fact]
    public void Every_row_names_the_services_that_read_it() =>
        Assert.Equal(Rows.Length, Services().Count(Page));

    [GeneratedRegex("\"(Kuik:[A-Za-z0-9]+(?::[A-Za-z0-9]+)*)\"")]
    private static partial Regex Key();

    [GeneratedRegex(@"^\| `([A-Za-z_:0-9]+)`(?:, `[a-z_]+`)* \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"^\| `.* \| [WPFENG](?: [WPFENG])* \|$", RegexOptions.Multiline)]
    private static partial Regex Services();
}
