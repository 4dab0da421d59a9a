using Kuik.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Command-line verbs, for an init container or an operator. <c>migrate</c>: creates the event log's tables and ends. <c>rebuild-usage</c>:
/// rebuilds the usage table from the log and ends.
/// </summary>
public static partial class EventLogCommands
{
    /// <summary>How long to wait for Postgres.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Runs the service, or the verb in the first argument: exit code 0 after success, 75 when Postgres was not usable for five minutes
    /// (retry), 70 when the tables cannot become those of this version.
    /// </summary>
    /// <param name="app">The built service; for a verb, none of its hosted services is started.</param>
    /// <param name="args">The command line.</param>
    public static async Task RunServiceOrCommandAsync(this WebApplication app, string[] args)
    {
        if (args is not ["migrate" or "rebuild-usage", ..])
        {
            await app.RunUntilStoppedAsync();
            return;
        }
        Environment.ExitCode = await Run(app.Services, args[0] == "migrate" ? Migrate : RebuildUsage, CancellationToken.None);
        await app.DisposeAsync();   // flushes the log
    }

    /// <summary>Creates the event log's tables, as the verb <c>migrate</c> does.</summary>
    /// <returns>The exit code: 0, 75 or 70.</returns>
    public static Task<int> MigrateAsync(this WebApplication app) => Run(app.Services, Migrate, CancellationToken.None);

    private static Task Migrate(IServiceProvider services, CancellationToken ct) =>
        services.GetRequiredService<SchemaMigrator>().Migrate(ct);

    private static async Task RebuildUsage(IServiceProvider services, CancellationToken ct)
    {
        var difference = await ImageUsersRebuild.Rebuild(services.GetRequiredService<NpgsqlDataSource>(), ct);
        LogRebuilt(services.GetRequiredService<ILogger<SchemaMigrator>>(), difference.Missing, difference.Surplus);
    }

    private static async Task<int> Run(IServiceProvider services, Func<IServiceProvider, CancellationToken, Task> verb,
        CancellationToken ct)
    {
        var (time, logger) = (services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<SchemaMigrator>>());
        var (began, backOff, said) = (time.GetTimestamp(), new BackOff(time, EventLogWorker.LongestPause), "");
        while (true)
        {
            try
            {
                await verb(services, ct);
                return 0;
            }
            catch (SchemaMigrationRefusedException refused)
            {
                LogRefused(logger, refused.Message);
                return ExitCodes.Failed;
            }
            catch (Exception fault) when (fault is TimeoutException || EventLogFault.MeansAway(fault))
            {
                var reason = EventLogFault.ReasonOf(fault);
                if (said != reason)
                    LogWaits(logger, reason);
                said = reason;
                if (fault is TimeoutException || time.GetElapsedTime(began) > Patience)
                    return ExitCodes.TryAgain;
                await Task.Delay(backOff.Next(), time, ct);
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Usage table rebuilt from the log: {Missing} rows were missing, {Surplus} were surplus")]
    private static partial void LogRebuilt(ILogger logger, long missing, long surplus);

    [LoggerMessage(LogLevel.Warning, "Postgres cannot be used yet, retrying: {Reason}")]
    private static partial void LogWaits(ILogger logger, string reason);

    [LoggerMessage(LogLevel.Error, "The event log's tables cannot be created: {Reason}")]
    private static partial void LogRefused(ILogger logger, string reason);
}
