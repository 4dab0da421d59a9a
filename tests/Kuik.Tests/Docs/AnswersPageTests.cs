using System.Text.RegularExpressions;
using Kuik.CommandLine;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/operations/audit.md has a command for each question of an audit, and the commands exist with these options.</summary>
public sealed partial class AnswersPageTests
{
    private const int Questions = 18;

    private static readonly string Page = SourceText.Page("operations/audit.md");

    public static TheoryData<string> Answers =>
        [.. Answer().Matches(Page[Page.IndexOf("## Answers", StringComparison.Ordinal)..]).Select(match => match.Groups[1].Value)];

    [Fact]
    public void Every_question_has_an_answer() => Assert.Equal(Questions, Answers.Count);

    [Theory]
    [MemberData(nameof(Answers))]
    public void Every_answer_is_a_command_line(string line) =>
        Assert.Empty(new KuikCommand().Parse(line["kuik ".Length..].Replace('\'', '"')).Errors);

    [GeneratedRegex("^\\| [^|]+\\? \\| `(kuik [^`]+)` \\|", RegexOptions.Multiline)]
    private static partial Regex Answer();
}
