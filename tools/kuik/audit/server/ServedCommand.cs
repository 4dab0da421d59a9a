using System.CommandLine;

namespace Kuik.CommandLine.Audit;

/// <summary>A command that reads the event log, or asks the audit API instead.</summary>
internal abstract class ServedCommand : LogCommand
{
    private readonly ServerOptions _server = new();

    /// <summary>Creates the command with the options that all of them have.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For the help.</param>
    protected ServedCommand(string name, string description) : base(name, description)
    {
        _server.AddTo(this);
        Validators.Add(command =>
        {
            if (HasPostgres(command) && _server.IsGiven(command))
                command.AddError("Give --postgres or --server, not both.");
        });
    }

    /// <summary>The same work, through the audit API.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="answers">The API.</param>
    /// <param name="ct">Cancels it.</param>
    /// <returns>An exit code.</returns>
    protected abstract Task<int> Execute(ParseResult arguments, ServerAnswers answers, CancellationToken ct);

    /// <inheritdoc/>
    protected override async Task<int> Run(ParseResult arguments, CancellationToken ct)
    {
        if (HasPostgres(arguments.CommandResult) || await _server.Connect(arguments, ct) is not { } server)
            return await base.Run(arguments, ct);
        using (server)
            return await Execute(arguments, new ServerAnswers(server), ct);
    }
}
