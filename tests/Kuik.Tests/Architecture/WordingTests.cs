using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>Comments and messages are plain technical English: nouns and verbs in place of persons and questions.</summary>
public sealed partial class WordingTests
{
    private static readonly string[] Folders = ["services", "shared", "tools", "bench", "deploy", "tests/Kuik.Testing"];

    private const string PersonRule = ": name the part that acts, or use the passive voice";

    private const string QuestionRule = " begins a description: begin with a noun (what it is) or a verb (what it does)";

    private const string QuestionWords =
        "(What|Who|Whose|Whoever|Whether|Which|Is|Are|Does|Has|Have|Can|Would|How(?! (?:long|often|many|much|far)\\b))";

    [Fact]
    public void Comments_and_messages_are_plain_technical_English()
    {
        var files = Folders
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Checkout.Root, folder), "*", SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(Checkout.Root, file).Replace('\\', '/'))
            .Where(file => Path.GetExtension(file) is ".cs" or ".csproj" or ".yaml" or ".sh")
            .ToList();

        var problems = files.SelectMany(file => ProblemsOf(File.ReadAllText(Path.Combine(Checkout.Root, file)))
            .Select(problem => $"{file}:{problem.Line}: {problem.Rule}")).ToList();

        Assert.True(files.Count > 250, $"{files.Count} files");
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact]
    public void Names_of_tests_name_no_persons()
    {
        var names = Directory.EnumerateFiles(Path.Combine(Checkout.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .SelectMany(file => TestName().Matches(File.ReadAllText(file)))
            .Select(match => match.Groups[1].Value)
            .ToList();

        Assert.True(names.Count > 1000, $"{names.Count} names");
        Assert.DoesNotContain(names, name => Person().IsMatch(name.Replace('_', ' ')));
    }

    [Theory]
    [InlineData("// Nobody reads it.", 1, "\"Nobody\"" + PersonRule)]
    [InlineData("\nlog(\"somebody has edited the pod\");", 2, "\"somebody\"" + PersonRule)]
    [InlineData("# whoever asks", 1, "\"whoever\"" + PersonRule)]
    [InlineData("/// <summary>What a pod uses.</summary>", 1, "\"What\"" + QuestionRule)]
    [InlineData("/// <summary>\n/// Is it there?\n/// </summary>", 1, "\"Is\"" + QuestionRule)]
    [InlineData("/// <returns>How it ended.</returns>", 1, "\"How\"" + QuestionRule)]
    [InlineData("/// <param name=\"use\">Whose it is.</param>", 1, "\"Whose\"" + QuestionRule)]
    public void Persons_and_questions_are_reported_with_their_line(string text, int line, string rule) =>
        Assert.Equal([(line, rule)], ProblemsOf(text));

    [Theory]
    [InlineData("/// <summary>How long an image stays cached. Default 30 days.</summary>")]
    [InlineData("/// <summary>The owner of the fields.</summary>")]
    [InlineData("/// <summary>\n/// True for a tag whose image exists.\n/// </summary>")]
    public void Nouns_verbs_and_durations_are_not(string text) => Assert.Empty(ProblemsOf(text));

    private static IEnumerable<(int Line, string Rule)> ProblemsOf(string text) =>
    [
        .. Person().Matches(text).Select(match => (LineOf(text, match), $"\"{match.Value}\"" + PersonRule)),
        .. Question().Matches(text).Select(match => (LineOf(text, match), $"\"{match.Groups[1].Value}\"" + QuestionRule)),
    ];

    private static int LineOf(string text, Match match) => text.AsSpan(0, match.Index).Count('\n') + 1;

    [GeneratedRegex(@"public (?:async Task|Task|void) ([A-Z]\w*_\w+)\(")]
    private static partial Regex TestName();

    [GeneratedRegex(@"\b(?:nobody|somebody|anybody|everybody|whoever|whomever)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Person();

    [GeneratedRegex(@"/// <(?:summary|param name=""\w+""|returns)>\s*(?:///\s*)?" + QuestionWords + @"\b")]
    private static partial Regex Question();
}
