using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Kuik.CommandLine;

/// <summary>The usual help, followed by a command's <see cref="IExplained.Explanation"/>, which the list of all commands omits.</summary>
/// <param name="usual">The help that it follows.</param>
internal sealed class CommandHelp(HelpAction usual) : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        var code = usual.Invoke(parseResult);
        if (parseResult.CommandResult.Command is IExplained command)
            parseResult.InvocationConfiguration.Output.WriteLine(command.Explanation);
        return code;
    }
}
