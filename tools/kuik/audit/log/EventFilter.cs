using System.CommandLine;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>The argument and options of commands that list events of all streams: <c>pattern</c>, <c>--type</c> and
/// <c>--actor</c>.</summary>
internal sealed class EventFilter
{
    private readonly Argument<string?> _pattern = new("pattern")
    {
        Description = "Only streams that match, for example image/docker.io/* or pod/*; without a * any part of the stream's name",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string[]> _types = new("--type", "-t")
    {
        Description = "Only events of this type, for example ImageEvicted; may be repeated",
        HelpName = "type",
    };

    private readonly Option<string?> _actor = new("--actor")
    {
        Description = "Only by this actor: the field manager of a person's change (kubectl-edit), a replica or a service",
    };

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(_pattern);
        command.Options.Add(_types);
        command.Options.Add(_actor);
        _types.CompletionSources.Add(_ => FactReader.Known.Order(StringComparer.Ordinal).Select(type =>
            new System.CommandLine.Completions.CompletionItem(type)));
    }

    /// <summary>The types of the command line that this version does not know; a newer one may.</summary>
    public IEnumerable<string> FindUnknown(ParseResult arguments) => (arguments.GetValue(_types) ?? []).Except(FactReader.Known);

    /// <summary>The question of the command line, without places.</summary>
    public EventQuestion Read(ParseResult arguments) => new()
    {
        Stream = arguments.GetValue(_pattern),
        Types = arguments.GetValue(_types) is { Length: > 0 } types ? types : null,
        Actor = arguments.GetValue(_actor),
    };
}
