using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/v1-cases.md names tests that exist.</summary>
public sealed partial class V1CasesPageTests
{
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Classes = new(() =>
        Directory.EnumerateFiles(Path.Combine(Checkout.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .GroupBy(file => Path.GetFileNameWithoutExtension(file))
            .ToDictionary(files => files.Key, files => string.Concat(files.Select(File.ReadAllText))));

    public static TheoryData<string, string> Named =>
        [.. Test().Matches(SourceText.Page("v1-cases.md")).Select(match => (match.Groups[1].Value, match.Groups[2].Value)).Distinct()];

    [Theory]
    [MemberData(nameof(Named))]
    public void A_test_that_is_named_exists(string type, string method) =>
        Assert.Contains(method.Length == 0 ? $"class {type}" : $" {method}(",
            Classes.Value.GetValueOrDefault(type, ""), StringComparison.Ordinal);

    [Fact]
    public void Every_defect_has_a_row()
    {
        var numbers = Defect().Matches(SourceText.Page("v1-cases.md")).Select(match => int.Parse(match.Groups[1].Value, null));

        Assert.Equal(Enumerable.Range(1, 22), numbers);
    }

    [GeneratedRegex(@"`(\w+Tests)(?:\.(\w+))?`")]
    private static partial Regex Test();

    [GeneratedRegex(@"^\| (\d+) ", RegexOptions.Multiline)]
    private static partial Regex Defect();
}
