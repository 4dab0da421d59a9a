using Kuik.CommandLine;
using Kuik.CommandLine.Audit;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Kuik.Hosting;
using Xunit;

namespace Kuik.Tests.Audit;

/// <summary>Output and command lines of the audit commands.</summary>
public class PrintedTests
{
    private static readonly TimeZoneInfo Paris = TimeZoneInfo.CreateCustomTimeZone("Paris", TimeSpan.FromHours(1), "Paris", "Paris");

    public static TheoryData<string> Examples => [.. Commands().SelectMany(command => command.Examples)];

    [Theory]
    [MemberData(nameof(Examples))]
    public void Every_example_of_the_help_is_a_command_line(string example)
    {
        var line = Assert.Single(example.Split(" | "), part => part.StartsWith("kuik ", StringComparison.Ordinal));

        Assert.Empty(new KuikCommand().Parse(line["kuik ".Length..].Split(" > ")[0].Replace('\'', '"')).Errors);
    }

    [Fact]
    public void Every_command_of_the_log_has_examples_of_itself() => Assert.All(Commands(), command =>
    {
        Assert.NotEmpty(command.Examples);
        Assert.All(command.Examples, example => Assert.Contains($"kuik {command.Name}", example, StringComparison.Ordinal));
    });

    [Fact]
    public void Every_command_explains_itself_with_examples_that_are_command_lines()
    {
        var root = new KuikCommand();

        foreach (var command in root.Subcommands.Prepend(root))
        {
            var explained = Assert.IsType<IExplained>(command, exactMatch: false);
            var lines = explained.Explanation.Split("Examples:")[1].Split('\n')
                .Select(line => line.Split(" # ")[0].TrimEnd(')', ' ')).SelectMany(line => line.Split(" | "))
                .Select(line => line[Math.Max(0, line.IndexOf("kuik ", StringComparison.Ordinal))..])
                .Where(line => line.StartsWith("kuik ", StringComparison.Ordinal)).ToList();

            Assert.NotEmpty(lines);
            Assert.All(lines, line =>
                Assert.Empty(root.Parse(line["kuik ".Length..].Split(" > ")[0].Replace('\'', '"')).Errors));
        }
    }

    [Theory]
    [InlineData("export --confirm")]
    [InlineData("verify --registry-user a")]
    [InlineData("verify --registry http://a --registry-rate 0")]
    [InlineData("completion tcsh")]
    [InlineData("images --phase Nonsense")]
    [InlineData("history deployment/front")]
    [InlineData("why UPPER")]
    [InlineData("replay --until yesterday")]
    [InlineData("diff 1d")]
    [InlineData("verify --output xml")]
    public void A_wrong_command_line_is_refused(string line) => Assert.NotEmpty(new KuikCommand().Parse(line).Errors);

    [Fact]
    public void Times_are_in_the_zone_of_the_user()
    {
        Assert.Equal("2026-03-01 13:00:00+01:00", TimeText.Of(AuditLog.Noon, Paris));
        Assert.Equal("2026-03-01 12:00:00Z", TimeText.Of(AuditLog.Noon, TimeZoneInfo.Utc));
        Assert.Equal("", TimeText.Of(null, Paris));
    }

    [Fact]
    public void A_difference_shows_the_first_digits_of_digests() => Assert.Equal(
        "Cached, aaaaaaaaaaaa, unused", DiffCommand.Shorten($"Cached, sha256:{new string('a', 64)}, unused"));

    [Fact]
    public void Columns_are_aligned_and_control_characters_are_not_printed()
    {
        var table = new Table("A", "LONG", "C");
        table.Add("wide cell", "\e[31mx", "y");
        table.Add("b", null, "z");

        Assert.Equal("A          LONG   C\nwide cell  [31mx  y\nb                 z\n", table.ToString());
    }

    [Fact]
    public void YAML_quotes_what_would_read_as_another_type()
    {
        var yaml = Document.Yaml(new
        {
            Image = "nginx:1.27",
            Tag = "1.0",
            Flag = "true",
            Count = 3,
            IsRetained = false,
            Time = AuditLog.Noon,
            None = (string?)null
        });

        Assert.Equal("image: nginx:1.27\ntag: \"1.0\"\nflag: \"true\"\ncount: 3\nisRetained: false\ntime: 2026-03-01T12:00:00+00:00\n",
            yaml);
    }

    [Fact]
    public void Progress_says_how_far_it_is_and_how_fast() => Assert.Equal(
        "folding the log … 120,000 of 1,000,000 events (60,000/s)",
        ProgressLine.Text("folding the log", 120_000, 1_000_000, TimeSpan.FromSeconds(2)));

    [Fact]
    public void A_connection_string_that_is_none_is_refused_without_its_password()
    {
        var failure = Assert.Throws<InvalidSettingException>(() => PostgresOption.Parse("Nonsense=1;Password=secret", isReadOnly: true));

        Assert.DoesNotContain("secret", failure.Message, StringComparison.Ordinal);
        Assert.Contains("default_transaction_read_only=on", PostgresOption.Parse("Host=a", isReadOnly: true).ConnectionString,
            StringComparison.Ordinal);
        Assert.DoesNotContain("read_only", PostgresOption.Parse("Host=a", isReadOnly: false).ConnectionString, StringComparison.Ordinal);
    }

    private static IEnumerable<LogCommand> Commands() => new KuikCommand().Subcommands.OfType<LogCommand>();
}
