using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>
/// A type that another file of the product uses is in a file of its own name. In the file of another type may be: the parts of a record
/// (types that the record of the file's name has, directly or through other parts), the events of a stream, and what only tests use.
/// </summary>
public sealed partial class TypeFileTests
{
    private static readonly string[] Product = ["services", "shared", "tools"];

    [Fact]
    public void A_type_that_another_file_uses_has_a_file_of_its_own()
    {
        var files = Product
            .SelectMany(top => Directory.EnumerateFiles(Path.Combine(Checkout.Root, top), "*.cs", SearchOption.AllDirectories))
            .Select(file => new SourceFile(Path.GetRelativePath(Checkout.Root, file).Replace('\\', '/'), File.ReadAllText(file)))
            .ToList();

        var problems = Misplaced(files).ToList();

        Assert.True(files.Count > 400, $"{files.Count} files");
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    [Fact]
    public void A_type_in_the_file_of_another_one_is_reported_with_its_user()
    {
        var cache = new SourceFile("services/a/Cache.cs", "internal sealed class Cache;\n\ninternal sealed record Entry(string Key);\n");

        Assert.Empty(Misplaced([cache]));
        Assert.Equal(
            ["services/a/Cache.cs: Entry is used by services/a/Reader.cs: move it to a file of its own"],
            Misplaced([cache, new SourceFile("services/a/Reader.cs", "internal sealed class Reader(Entry entry);\n")]));
        Assert.Empty(Misplaced([cache, new SourceFile("services/b/Reader.cs", "internal sealed class Reader(Entry entry);\n")]));
    }

    [Fact]
    public void A_part_of_a_partial_type_is_in_a_file_of_its_name_and_topic()
    {
        var reader = new SourceFile("services/a/Reader.cs", "internal sealed class Reader(Cache cache);\n");

        Assert.Empty(Misplaced([new SourceFile("services/a/Cache.Room.cs", "internal sealed partial class Cache;\n"), reader]));
        Assert.NotEmpty(Misplaced([new SourceFile("services/a/Room.cs", "internal sealed partial class Cache;\n"), reader]));
    }

    [Fact]
    public void Parts_of_a_record_and_events_of_a_stream_stay_together()
    {
        var reader = new SourceFile("services/a/Reader.cs", "internal sealed class Reader(Entry entry, List<Used> events);\n");

        Assert.Empty(Misplaced(
        [
            new SourceFile("shared/a/Page.cs", "public sealed record Page(List<Line> Lines);\n\npublic sealed record Line(Entry First);\n\n"
                + "public sealed record Entry(string Key);\n"),
            new SourceFile("shared/Contracts/UserEvents.cs", "public sealed record Used(string Image);\n"),
            reader,
        ]));
    }

    private static IEnumerable<string> Misplaced(IReadOnlyList<SourceFile> files) =>
        from file in files
        from type in file.Types
        where type.Name != file.Name && !file.Parts().Contains(type.Name) && !file.IsStream
        let user = files.FirstOrDefault(other => other != file && (file.Part == "shared" || other.Part == file.Part)
            && other.Uses(type.Name))
        where user is not null
        select $"{file.Path}: {type.Name} is used by {user.Path}: move it to a file of its own";

    private sealed class SourceFile(string path, string text)
    {
        private readonly string _code = CommentOrText().Replace(text, "");

        public string Path => path;

        /// <summary>Without the topic of a partial type: <c>Spool</c> of <c>Spool.Room.cs</c>.</summary>
        public string Name => System.IO.Path.GetFileName(path).Split('.')[0];

        /// <summary><c>shared</c>, or the service or tool.</summary>
        public string Part => path.StartsWith("shared/", StringComparison.Ordinal) ? "shared" : string.Join('/', path.Split('/').Take(2));

        public bool IsStream =>
            path.StartsWith("shared/Contracts/", StringComparison.Ordinal) && Name.EndsWith("Events", StringComparison.Ordinal);

        public IReadOnlyList<TypeText> Types => field ??= [.. ReadTypes()];

        /// <summary>The types that the record of the file's name has, directly or through other parts.</summary>
        public HashSet<string> Parts()
        {
            var parts = new HashSet<string>();
            var waiting = new Queue<TypeText>(Types.Where(type => type.Name == Name && type.IsData));
            while (waiting.TryDequeue(out var type))
                foreach (var part in Types.Where(part => part.IsData && part.Name != Name && Regex.IsMatch(type.Text, $@"\b{part.Name}\b")))
                    if (parts.Add(part.Name))
                        waiting.Enqueue(part);
            return parts;
        }

        public bool Uses(string type) => Regex.IsMatch(
            _code, $@"(?<![.\w]){type}(?:\?? [a-z_@]|[>?,]*>|\(|\.[A-Z]|<)|new {type}\b|: {type}\b|\bis (?:not )?{type}\b");

        private IEnumerable<TypeText> ReadTypes()
        {
            var declarations = Declaration().Matches(_code);
            return declarations.Select((match, i) => new TypeText(
                match.Groups["name"].Value,
                match.Groups["kind"].Value is var kind && (kind == "enum" || kind.StartsWith("record", StringComparison.Ordinal)),
                _code[match.Index..(i + 1 < declarations.Count ? declarations[i + 1].Index : _code.Length)]));
        }
    }

    private sealed record TypeText(string Name, bool IsData, string Text);

    [GeneratedRegex("""
        "(?:\\.|[^"\\\n])*"|//[^\n]*
        """)]
    private static partial Regex CommentOrText();

    [GeneratedRegex(@"^(?:(?:public|internal|sealed|static|abstract|partial|readonly|ref|unsafe) )+(?:"
        + @"(?<kind>class|record struct|record|struct|interface|enum) (?<name>\w+)|(?<kind>delegate) [^(\n]*?(?<name>\w+)(?:<\w+>)?\()",
        RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
