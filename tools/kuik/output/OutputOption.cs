using System.CommandLine;

namespace Kuik.CommandLine.Output;

/// <summary><c>--output</c>: <c>table</c> for people (the default), <c>json</c> for scripts.</summary>
internal sealed class OutputOption : Option<string>
{
    private const string Json = "json";
    private const string Table = "table";

    /// <summary>The option of a command.</summary>
    /// <param name="description">For its help.</param>
    public OutputOption(string description) : base("--output", "-o")
    {
        Description = description;
        DefaultValueFactory = _ => Table;
        this.AcceptOnlyFromAmong(Table, Json);
    }

    /// <summary>True for JSON.</summary>
    public bool IsJson(ParseResult arguments) => arguments.GetValue(this) == Json;
}
