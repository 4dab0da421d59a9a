using System.CommandLine;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary>A command that asks one question and prints its answer.</summary>
/// <typeparam name="TAnswer">The document that is printed as JSON.</typeparam>
internal abstract class QuestionCommand<TAnswer> : ServedCommand
{
    private readonly FormatOption _format = new();

    /// <summary>Creates the command with the options that all of them have.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For the help.</param>
    protected QuestionCommand(string name, string description) : base(name, description) => Options.Add(_format);

    /// <summary>Asks the question of the command line.</summary>
    protected abstract Task<TAnswer> Ask(ParseResult arguments, IAuditAnswers answers, CancellationToken ct);

    /// <summary>Prints the answer as a table or as sentences.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="isWide">True: with all columns.</param>
    protected abstract void Print(TAnswer answer, ParseResult arguments, bool isWide);

    /// <summary>The exit code after the answer was printed in any format; default 0.</summary>
    protected virtual int Conclude(TAnswer answer, ParseResult arguments) => ExitCode.Ok;

    /// <summary>A sentence in place of an answer that has nothing to print in any format; default none.</summary>
    protected virtual string? Lack(TAnswer answer, ParseResult arguments) => null;

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct)
    {
        TAnswer answer;
        using (var progress = new ProgressLine("reading the log"))
            answer = await Ask(arguments, new LogAnswers(connection, progress), ct);
        return await Print(answer, arguments, ct);
    }

    /// <inheritdoc/>
    protected override async Task<int> Execute(ParseResult arguments, ServerAnswers answers, CancellationToken ct) =>
        await Print(await Ask(arguments, answers, ct), arguments, ct);

    private async Task<int> Print(TAnswer answer, ParseResult arguments, CancellationToken ct)
    {
        if (Lack(answer, arguments) is { } sentence)
        {
            Say(sentence);
            return ExitCode.ErrorsFound;
        }
        var format = _format.Of(arguments);
        if (format is Format.Json or Format.Yaml)
            await Document.Write(answer, format, ct);
        else
            Print(answer, arguments, format == Format.Wide);
        return Conclude(answer, arguments);
    }
}
