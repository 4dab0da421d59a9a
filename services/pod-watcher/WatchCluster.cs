using Kuik.EventLog;
using Kuik.Kubernetes;
using Marten;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>Everything that only one replica does, for as long as it leads: follow the cluster, record, write resources. Starts from nothing each time.</summary>
internal sealed partial class WatchCluster(
    KubernetesApi api, WatchedKinds kinds, EventLogTransactions transactions, EventLogReady logReady, NpgsqlDataSource postgres, IDocumentStore store, TimeProvider time, ILoggerFactory logs)
{
    private readonly ILogger logger = logs.CreateLogger<WatchCluster>();
    private Func<string?> problem = () => null;

    /// <summary>Why this replica does not keep up; null while it does, or does not lead.</summary>
    public string? Problem => problem();

    /// <summary>Works until cancelled. While Postgres is away it waits, then starts again with new lists.</summary>
    public async Task Run(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        try
        {
            while (true)
            {
                try
                {
                    await RunOnce(backOff, ct);
                }
                catch (Exception fault) when (ct.IsCancellationRequested)
                {
                    // What breaks off in the middle says so in many ways: Marten wraps Postgres's own "canceling statement".
                    throw new OperationCanceledException("the lead is lost, or the service ends", fault, ct);
                }
                catch (Exception fault) when (EventLogFault.MeansAway(fault))
                {
                    var reason = EventLogFault.ReasonOf(fault);
                    LogPostgresIsAway(reason);
                    problem = () => $"nothing is recorded: {reason}";
                }
                catch (ClusterCheckFailed fault)
                {
                    if (problem() != fault.Message)
                        LogNotThisCluster(fault.Message);
                    problem = () => fault.Message;
                }
                await backOff.Wait(ct);
            }
        }
        finally
        {
            problem = () => null;
        }
    }

    private async Task RunOnce(BackOff backOff, CancellationToken ct)
    {
        // 1. What the log says, if it is about this cluster.
        if (!logReady.IsReady)
            problem = () => "waiting for Postgres";
        await logReady.Wait(ct);
        await CheckCluster.Run(api, store, ct);
        var known = await ReadKnownPods(ct);
        backOff.Reset();

        // 2. What the cluster says, and what follows.
        var pods = new Reflector<Pod, LivePod>(kinds.Pods, api, time, logger);
        var accounts = new Reflector<ServiceAccount, AccountSecrets>(kinds.Accounts, api, time, logger);
        var resources = new Reflector<CachedImage, CachedImage>(kinds.CachedImages, api, time, logger);
        var repositories = new Reflector<Repository, Repository>(kinds.Repositories, api, time, logger);
        var (dirty, dirtyRepositories, deletions, views) = (new DirtySet(), new DirtySet(), new OwnDeletions(), new ImageViews(store));
        var observePods = new ObservePods(api, kinds, pods, accounts, known, dirty, transactions, time, logs.CreateLogger<ObservePods>());
        var observeImages = new ObserveCachedImages(api, resources, views, dirty, deletions, transactions, time, logs.CreateLogger<ObserveCachedImages>());
        var writeImages = new WriteCachedImages(api, resources, views, known, dirty, dirtyRepositories, deletions, transactions, time, logs.CreateLogger<WriteCachedImages>());
        var writeRepositories = new WriteRepositories(api, repositories, views, dirtyRepositories, time, logs.CreateLogger<WriteRepositories>());
        problem = () => About("pods", pods.Problem) ?? About("serviceaccounts", accounts.Problem) ?? About("cachedimages", resources.Problem)
            ?? About("repositories", repositories.Problem) ?? writeImages.Problem ?? writeRepositories.Problem;

        // 3. All of it, until one part ends; then the others have to end too.
        using var together = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task[] parts =
        [
            pods.Run(together.Token), accounts.Run(together.Token), resources.Run(together.Token), repositories.Run(together.Token),
            observePods.Run(together.Token), observeImages.Run(together.Token), writeImages.Run(together.Token), writeRepositories.Run(together.Token),
        ];
        var first = await Task.WhenAny(parts);
        await together.CancelAsync();
        await Task.WhenAll(parts).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // the others were told to end; the first one says why
        await first;
    }

    private async Task<KnownPods> ReadKnownPods(CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        return new KnownPods(await ImageUsers.All(connection, ct));
    }

    private static string? About(string what, string? problem) => problem is null ? null : $"{what}: {problem}";

    [LoggerMessage(Level = LogLevel.Warning, Message = "nothing is recorded, because Postgres does not answer as it should ({Reason}); starting again with new lists until it does")]
    private partial void LogPostgresIsAway(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "nothing is observed: {Reason}")]
    private partial void LogNotThisCluster(string reason);
}
