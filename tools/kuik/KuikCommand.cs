using System.CommandLine;
using System.CommandLine.Help;
using Kuik.CommandLine.Audit;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;
using Kuik.Hosting;
using Kuik.Kubernetes;
using Kuik.Oci;
using Npgsql;

namespace Kuik.CommandLine;

/// <summary>The root command: its subcommands and their common error handling.</summary>
internal sealed class KuikCommand : RootCommand, IExplained
{
    /// <summary>Creates all commands.</summary>
    public KuikCommand() : base(
        "Answers questions about the images that Kuik keeps in a Kubernetes cluster, from its event log, and checks the installation. "
            + "Also reached as kubectl kuik, when kubectl-kuik is on the PATH.")
    {
        Subcommands.Add(new ImagesCommand());
        Subcommands.Add(new HistoryCommand());
        Subcommands.Add(new WhyCommand());
        Subcommands.Add(new WhoCommand());
        Subcommands.Add(new UsesCommand());
        Subcommands.Add(new EventsCommand());
        Subcommands.Add(new ReplayCommand());
        Subcommands.Add(new DiffCommand());
        Subcommands.Add(new TailCommand());
        Subcommands.Add(new ExportCommand());
        Subcommands.Add(new ImportCommand());
        Subcommands.Add(new VerifyCommand());
        Subcommands.Add(new RebuildCommand());
        Subcommands.Add(new DoctorCommand());
        Subcommands.Add(new CompletionCommand());
        var help = Options.OfType<HelpOption>().Single();
        help.Action = new CommandHelp((HelpAction)help.Action!);
    }

    /// <inheritdoc/>
    public string Explanation => """
        The event log is reached through the cluster (--server cluster, or KUIK_SERVER=cluster in the environment), or in Postgres
        (--postgres, or ConnectionStrings__Postgres). Times are shown in your zone, JSON and YAML have UTC. kuik COMMAND --help has more
        examples.

        Examples:
          export KUIK_SERVER=cluster
          kuik why nginx:1.27                          # why it is cached, or not
          kuik who nginx:1.27 --at '2026-03-01 12:00'  # which pods used it
          kuik history pod/web/front-1                 # what happened, when, and by whose action
          kuik doctor                                  # what is wrong with the installation
          source <(kuik completion bash)               # completion with the tab key
        """;

    /// <summary>
    /// Runs a command's work; an unreachable cluster or event log becomes one line on standard error and <see cref="ExitCode.Fault"/>.
    /// </summary>
    /// <param name="work">Returns an exit code.</param>
    public static async Task<int> Run(Func<Task<int>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception failure) when (failure is InvalidSettingException or KubernetesApiException or HttpRequestException or IOException
            or NpgsqlException or EventLogUnusableException or AuditRefusedException or EventImportRefusedException
            or RebuildRefusedException or RegistryException or AnswerTooLongException or TimeoutException
            or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync("kuik: " + Redaction.Of(Innermost(failure)));
            return ExitCode.Fault;
        }
        catch (OutsideNamespaceException outside)
        {
            await Console.Error.WriteLineAsync("kuik: " + Redaction.Of(outside.Message));
            return ExitCode.ErrorsFound;
        }
        catch (HistoryRemovedException removed)
        {
            await Console.Error.WriteLineAsync("kuik: " + Redaction.Of(removed.Message));
            return ExitCode.Unknown;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Cancelled;
        }
        catch (Exception fault)
        {
            // A defect of the command: the stack is for its developers.
            await Console.Error.WriteLineAsync(
                $"kuik failed unexpectedly: {fault.GetType().Name}: {Redaction.Of(fault.Message)}\n{fault.StackTrace}");
            return ExitCode.Fault;
        }
    }

    // "The SSL connection could not be established, see inner exception." does not state the cause.
    private static string Innermost(Exception failure)
    {
        var cause = failure.GetBaseException().Message;
        return failure.Message.Contains(cause, StringComparison.Ordinal) ? failure.Message : $"{failure.Message} ({cause})";
    }
}
