using System.CommandLine;
using System.CommandLine.Parsing;
using Kuik.CommandLine.Output;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary>A command that reads the event log.</summary>
internal abstract class LogCommand : Command, IExplained
{
    private const string Codes = """
        Exit codes:
           0  done
           1  nothing is known of the subject, or differences were found
           2  the command line is wrong
           3  no difference was found, and something could not be compared or read
          70  the event log or the audit API does not answer, or refuses
         130  ended by Ctrl-C
        """;

    private readonly PostgresOption _postgres = new();
    private readonly bool _isReadOnly;

    /// <summary>Creates the command with the option that all of them have.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For the help.</param>
    /// <param name="isReadOnly">False for a command that changes the log.</param>
    protected LogCommand(string name, string description, bool isReadOnly = true) : base(name, description)
    {
        _isReadOnly = isReadOnly;
        Options.Add(_postgres);
        SetAction((arguments, ct) => KuikCommand.Run(() => Run(arguments, ct)));
    }

    /// <summary>Command lines for the help, one each.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    /// <inheritdoc/>
    public string Explanation => $"{Codes}\n\nExamples:\n{string.Join('\n', Examples.Select(example => "  " + example))}\n";

    /// <summary>The work of the command.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="connection">Open; without a transaction.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>An exit code.</returns>
    protected abstract Task<int> Execute(ParseResult arguments, NpgsqlConnection connection, CancellationToken ct);

    /// <summary>True when the command line names Postgres.</summary>
    protected bool HasPostgres(CommandResult command) => command.GetResult(_postgres) is { Implicit: false };

    /// <summary>Opens another session.</summary>
    /// <exception cref="EventLogUnusableException">Postgres does not answer.</exception>
    protected Task<NpgsqlConnection> Connect(ParseResult arguments, CancellationToken ct) =>
        _postgres.Connect(arguments, _isReadOnly, ct);

    /// <summary>Prints one line on standard error.</summary>
    protected static void Say(string line) => Console.Error.WriteLine("kuik: " + Redaction.Of(line));

    /// <summary>Connects and executes.</summary>
    /// <returns>An exit code.</returns>
    protected virtual async Task<int> Run(ParseResult arguments, CancellationToken ct)
    {
        await using var connection = await Connect(arguments, ct);
        return await Execute(arguments, connection, ct);
    }
}
