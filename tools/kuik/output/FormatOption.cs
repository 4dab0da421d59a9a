using System.CommandLine;

namespace Kuik.CommandLine.Output;

/// <summary><c>--output</c> of lists: <c>table</c> (the default), <c>wide</c>, <c>json</c> or <c>yaml</c>.</summary>
internal sealed class FormatOption : Option<string>
{
    private const string Default = "table";

    /// <summary>The option of a command.</summary>
    public FormatOption() : base("--output", "-o")
    {
        Description = "How to print it";
        DefaultValueFactory = _ => Default;
        this.AcceptOnlyFromAmong(Default, "wide", "json", "yaml");
    }

    /// <summary>The chosen format.</summary>
    public Format Of(ParseResult arguments) => Enum.Parse<Format>(arguments.GetValue(this)!, ignoreCase: true);
}
