using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>
/// Lines have at most 140 columns. Longer ones are allowed where they cannot be broken: a row of a Markdown table, a word of more than 80
/// characters (a URL, JSON, a regular expression), and text data of tests (raw string literals).
/// </summary>
public sealed partial class LineLengthTests
{
    private const int Most = 140;

    private static readonly string[] Endings = [".cs", ".md", ".yaml", ".yml", ".sh", ".csproj", ".props", ".targets"];

    /// <summary>Files of text without an ending, for example scripts.</summary>
    private static readonly string[] Scripts = ["Makefile", ".ci/run"];

    [Fact]
    public void Lines_have_at_most_140_columns()
    {
        var files = SourceFiles().ToList();

        var problems = files.SelectMany(file => LongLines(file, File.ReadAllText(Path.Combine(Checkout.Root, file)))
            .Select(line => $"{file}:{line}: more than {Most} columns")).ToList();

        Assert.True(files.Count > 900, $"{files.Count} files");
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact]
    public void A_long_line_is_reported_with_its_number() =>
        Assert.Equal([2], LongLines("a.cs", $"short\n{Words(141)}\n{Words(140)}\n"));

    [Fact]
    public void A_table_row_a_long_word_and_text_data_of_tests_may_be_longer()
    {
        Assert.Empty(LongLines("docs/a.md", $"| {Words(150)} |"));
        Assert.Empty(LongLines("a.cs", $"// {new string('u', 81)} {Words(100)}"));
        Assert.Empty(LongLines("tests/a.cs", $"var a = {Quotes}\n{Words(150)}\n{Quotes};"));
        Assert.Equal([1], LongLines("a.cs", $"| {Words(150)} |"));
        Assert.Equal([2], LongLines("a.cs", $"var a = {Quotes}\n{Words(150)}\n{Quotes};"));
        Assert.Equal([4], LongLines("tests/a.cs", $"var a = {Quotes}\n{Words(150)}\n{Quotes};\n{Words(150)}"));
    }

    private const string Quotes = "\"\"\"";

    private static string Words(int columns) => string.Concat(Enumerable.Repeat("wordy ", columns))[..(columns - 1)] + ".";

    private static IEnumerable<int> LongLines(string file, string text)
    {
        var isInRawString = false;
        foreach (var (index, line) in text.Split('\n').Index())
        {
            var quotes = file.EndsWith(".cs", StringComparison.Ordinal) ? RawQuotes().Count(line) : 0;
            var isData = file.StartsWith("tests/", StringComparison.Ordinal) && (isInRawString || quotes > 0);
            var isRow = file.EndsWith(".md", StringComparison.Ordinal) && line.TrimStart().StartsWith('|');
            isInRawString ^= quotes % 2 == 1;
            if (line.Length > Most && !isData && !isRow && !LongWord().IsMatch(line))
                yield return index + 1;
        }
    }

    private static IEnumerable<string> SourceFiles() => Directory
        .EnumerateFiles(Checkout.Root, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None })
        .Select(file => Path.GetRelativePath(Checkout.Root, file).Replace('\\', '/'))
        .Where(file => !file.Split('/').Any(part => part is "artifacts" or "bin" or "obj" or ".git" or "node_modules"))
        .Where(file => Endings.Contains(Path.GetExtension(file)) || Scripts.Contains(file) || IsScript(file));

    private static bool IsScript(string file)
    {
        if (Path.HasExtension(file))
            return false;
        using var reader = new StreamReader(Path.Combine(Checkout.Root, file));
        return reader.Read() == '#' && reader.Read() == '!';
    }

    [GeneratedRegex("\"{3,}")]
    private static partial Regex RawQuotes();

    [GeneratedRegex(@"\S{81}")]
    private static partial Regex LongWord();
}
