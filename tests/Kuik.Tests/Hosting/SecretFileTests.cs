using System.Collections.Concurrent;
using Kuik.Hosting;
using Kuik.Tests.Webhook;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Hosting;

/// <summary>
/// The file as Kubernetes mounts a Secret: a link to a file in <c>..data</c>, which is a link to a folder with a date, and is swapped as
/// a whole.
/// </summary>
public sealed class SecretFileTests : IDisposable
{
    private const string Key = "Kuik:Fetcher:TokenFile";
    private const string First = "first-5d41402abc4b2a76";
    private const string Second = "second-b9719d911017c592";

    private readonly DirectoryInfo mount = Directory.CreateTempSubdirectory("kuik-secret");
    private readonly FakeTimeProvider time = new();
    private readonly ConcurrentQueue<string> lines = new();
    private int version;

    private string FilePath => Path.Combine(mount.FullName, "token");

    public void Dispose() => mount.Delete(recursive: true);

    [Fact]
    public void The_last_line_break_is_not_part_of_the_secret()
    {
        Mount(First + "\r\n");
        using var file = Open();

        Assert.Equal((First, First), (file.Current, file.ToSend));
        Assert.True(file.Matches(First));
    }

    [Theory]
    [InlineData("")]
    [InlineData(First + "x")]
    [InlineData(Second)]
    [InlineData("FIRST-5D41402ABC4B2A76")]
    public void Any_other_text_does_not_match(string shown)
    {
        Mount(First);
        using var file = Open();

        Assert.False(file.Matches(shown));
    }

    [Fact]
    public void After_a_rotation_both_values_are_accepted_and_the_old_one_is_sent_until_every_node_has_the_new_one()
    {
        Mount(First);
        using var file = Open();
        Mount(Second);
        time.Advance(SecretFile.Interval);

        Assert.Equal((Second, First, true, true), (file.Current, file.ToSend, file.Matches(First), file.Matches(Second)));
        time.Advance(SecretFile.PreviousIsSent);
        Assert.Equal((Second, true, true), (file.ToSend, file.Matches(First), file.Matches(Second)));
        time.Advance(SecretFile.PreviousIsAccepted - SecretFile.PreviousIsSent);
        Assert.Equal((false, true), (file.Matches(First), file.Matches(Second)));
    }

    [Fact]
    public void A_sender_and_a_receiver_that_see_a_rotation_two_minutes_apart_understand_each_other_all_the_time()
    {
        var late = Directory.CreateTempSubdirectory("kuik-secret");
        File.WriteAllText(Path.Combine(late.FullName, "token"), First);
        Mount(First);
        using var early = Open();
        using var other = new SecretFile(Key, Path.Combine(late.FullName, "token"), SecretKind.Token, time, Logger());
        Mount(Second);

        for (var passed = TimeSpan.Zero; passed < TimeSpan.FromMinutes(20); passed += SecretFile.Interval)
        {
            time.Advance(SecretFile.Interval);
            if (passed == TimeSpan.FromMinutes(2))
                File.WriteAllText(Path.Combine(late.FullName, "token"), Second);

            Assert.True(early.Matches(other.ToSend) && other.Matches(early.ToSend), $"not {passed} after the rotation");
        }
        Assert.Equal((Second, Second), (early.ToSend, other.ToSend));
        late.Delete(recursive: true);
    }

    [Fact]
    public void A_file_that_is_gone_or_empty_leaves_the_secret_as_it_was_and_is_logged_once()
    {
        Mount(First);
        using var file = Open();
        File.Delete(FilePath);
        time.Advance(SecretFile.Interval);
        time.Advance(SecretFile.Interval);

        Assert.Equal((First, true), (file.ToSend, file.Matches(First)));
        Assert.Single(lines);
        Mount(Second);
        time.Advance(SecretFile.Interval);
        Assert.Equal(Second, file.Current);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("two words")]
    [InlineData("two\nlines")]
    [InlineData("tök")]
    public void A_file_that_holds_no_token_stops_the_start_and_is_not_quoted(string content)
    {
        Mount(content);

        var wrong = Assert.Throws<InvalidSettingException>(Open);

        Assert.StartsWith($"{Key}: \"{FilePath}\"", wrong.Message, StringComparison.Ordinal);
        Assert.True(content.Trim().Length == 0 || !wrong.Message.Contains(content, StringComparison.Ordinal));
    }

    [Fact]
    public void A_file_that_is_not_there_stops_the_start() =>
        Assert.StartsWith($"{Key}: \"{FilePath}\"", Assert.Throws<InvalidSettingException>(Open).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_may_be_missing_is_read_when_it_is_there_and_sent_at_once()
    {
        using var file = OpenOptional();
        var missing = (file.Current, file.ToSend, file.Matches(""), file.Matches(First), lines.Count);
        time.Advance(SecretFile.Interval);
        Mount(First);
        time.Advance(SecretFile.Interval);

        Assert.Equal(("", "", false, false, 1), missing);
        Assert.Equal((First, First, true, false), (file.Current, file.ToSend, file.Matches(First), file.Matches("")));
        Assert.Equal(2, lines.Count);
    }

    [Fact]
    public void A_file_that_may_be_missing_and_comes_without_a_token_is_not_used_and_logged()
    {
        using var file = OpenOptional();
        Mount("two words");
        time.Advance(SecretFile.Interval);
        time.Advance(SecretFile.Interval);

        Assert.Equal("", file.ToSend);
        Assert.Contains("there is none yet", lines.Last(), StringComparison.Ordinal);
        Assert.Equal(2, lines.Count);
    }

    [Fact]
    public void A_file_that_may_be_missing_and_holds_no_token_at_start_stops_the_start()
    {
        Mount("two words");

        Assert.Throws<InvalidSettingException>(OpenOptional);
    }

    [Fact]
    public void A_password_may_have_any_characters_of_one_line()
    {
        Mount("pass wörd: {}\n");
        using var file = new SecretFile("Kuik:Cache:ReadPasswordFile", FilePath, SecretKind.Password, time, Logger());

        Assert.Equal("pass wörd: {}", file.Current);
    }

    [Fact]
    public void No_log_line_has_a_secret()
    {
        Mount(First);
        using var file = Open();
        Mount(Second);
        time.Advance(SecretFile.Interval);
        Mount(Second + " and more");
        time.Advance(SecretFile.Interval);

        Assert.Equal(2, lines.Count);
        Assert.DoesNotContain(lines, line => line.Contains(First, StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains(Second, StringComparison.Ordinal));
    }

    private SecretFile Open() => new(Key, FilePath, SecretKind.Token, time, Logger());

    private SecretFile OpenOptional() => new(Key, FilePath, SecretKind.Token, time, Logger(), mayBeMissing: true);

    private KeepLines Logger() => new KeepLines(lines);

    private void Mount(string content)
    {
        var folder = mount.CreateSubdirectory($"..version-{++version}");
        File.WriteAllText(Path.Combine(folder.FullName, "token"), content);
        var data = Path.Combine(mount.FullName, "..data");
        if (Directory.Exists(data))
            Directory.Delete(data);   // the link: Kubernetes renames a new one over it, which .NET does not do for links to folders
        Directory.CreateSymbolicLink(data, folder.Name);
        if (!File.Exists(FilePath))
            File.CreateSymbolicLink(FilePath, "..data/token");
    }
}
