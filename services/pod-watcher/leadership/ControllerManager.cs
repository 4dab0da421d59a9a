using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;
using Marten;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>
/// Everything that only one replica does, for as long as it leads: follow the cluster, record, write resources. Starts from nothing each
/// time. A fault of Postgres or
/// of the API ends none of it: what could not be recorded or written is tried again, the cluster is not listed again for it.
/// </summary>
internal sealed partial class ControllerManager(
    KubernetesApi api, WatchedKinds kinds, WatcherOptions settings, EventLogTransactions transactions, EventLogReady logReady, NpgsqlDataSource postgres, IDocumentStore store,
    ClusterObservation observation, WatcherMetrics metrics, TimeProvider time, ILoggerFactory logs)
{
    /// <summary>Writes to the API a second in the long run. No more than eight are under way at once, and the server's own priority and
    /// fairness says when that is too much (429): this bounds a fault of ours, not a busy cluster.</summary>
    private const int WritesPerSecond = 1000;

    private static readonly WorkQueueOptions Immediate = new();

    // Many pods of an image that come and go within this time are one write.
    private static readonly WorkQueueOptions Gathered = new() { Gather = TimeSpan.FromSeconds(0.5) };

    private readonly ILogger logger = logs.CreateLogger<ControllerManager>();
    private Func<string?> problem = () => null;

    /// <summary>Why this replica does not keep up; null while it does, or does not lead.</summary>
    public string? Problem => problem();

    /// <summary>Works until cancelled.</summary>
    /// <exception cref="Exception">The log holds an event that this version cannot read.</exception>
    public async Task Run(CancellationToken ct)
    {
        try
        {
            await Follow(await Prepare(ct), ct);
        }
        catch (Exception fault) when (ct.IsCancellationRequested)
        {
            // What breaks off in the middle says so in many ways: Marten wraps Postgres's own "canceling statement".
            throw new OperationCanceledException("the lead is lost, or the service ends", fault, ct);
        }
        finally
        {
            problem = () => null;
            metrics.Follow();
            observation.End();
        }
    }

    /// <summary>Waits until the log is there and is about this cluster, and reads what it says of pods.</summary>
    private async Task<PodUsageCache> Prepare(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        Suspend("the cluster is not observed yet");
        while (true)
        {
            try
            {
                if (!logReady.IsReady)
                    Suspend("waiting for Postgres");
                await logReady.Wait(ct);
                await CheckCluster.Run(api, store, ct);
                return await ReadKnownPods(ct);
            }
            catch (ClusterCheckException fault)
            {
                if (problem() != fault.Message)
                    LogNotThisCluster(fault.Message);
                Suspend(fault.Message);
            }
            catch (Exception fault) when (!ct.IsCancellationRequested && !EventLogFault.MeansUnreadable(fault))
            {
                var reason = $"nothing is recorded: {Failure.From(fault).Reason}";
                if (problem() != reason)
                    LogPostgresIsAway(Failure.From(fault).Reason);
                Suspend(reason);
            }
            await backOff.Wait(ct);
        }
    }

    private async Task Follow(PodUsageCache known, CancellationToken ct)
    {
        // 1. What the cluster says.
        var users = kinds.Users.ToDictionary(kind => kind, kind => new Reflector<Pod, LivePod>(kind.Resource, api, time, logger));
        var accounts = new Reflector<ServiceAccount, AccountSecrets>(kinds.Accounts, api, time, logger);
        var resources = new Reflector<CachedImage, CachedImage>(kinds.CachedImages, api, time, logger);
        var repositories = new Reflector<Repository, Repository>(kinds.Repositories, api, time, logger);

        // 2. What is to be looked at.
        using var podQueue = new WorkQueue(time, Immediate);
        using var resourceQueue = new WorkQueue(time, Immediate);
        using var imageQueue = new WorkQueue(time, Gathered);
        using var repositoryQueue = new WorkQueue(time, Gathered);

        // 3. What follows.
        var (absences, deletions, views, wishes) = (new PodAbsences(), new OwnDeletions(), new ImageViews(store, postgres), new RecordedIntents());
        var writer = new RateLimitedApi(api, new TokenBucket(WritesPerSecond, WritesPerSecond, time), metrics);
        IReadOnlyList<PodInformer> informers =
            [.. kinds.Users.Select(kind => new PodInformer(
                api, kind, users[kind], accounts, known, absences, podQueue, time, logs.CreateLogger<PodInformer>()))];
        var accountInformer = new AccountInformer(accounts, [.. users.Values], podQueue);
        var unfollowed = new UnfollowedWorkloads(settings, known, absences, podQueue, time);
        var resync = new UsageResync(known, podQueue, postgres, settings.LeaseDuration * 2, time, logs.CreateLogger<UsageResync>());
        var refresher = new ImageViewRefresher(views, imageQueue, repositoryQueue, time, logs.CreateLogger<ImageViewRefresher>());
        var podReconciler = new PodReconciler(
            informers, accounts, known, absences, imageQueue, transactions, metrics, time, logs.CreateLogger<PodReconciler>());
        var observeImages = new CachedImageIntentReconciler(
            writer, resources, views, resourceQueue, imageQueue, deletions, wishes, transactions, metrics, logs.CreateLogger<CachedImageIntentReconciler>());
        var recorder = new EventRecorder(api, metrics, time, logs.CreateLogger<EventRecorder>());
        var reporter = new ImageEventReporter(recorder, users[kinds.Users[0]], known, time);   // pods
        var writeImages = new CachedImageReconciler(writer, resources, views, known, deletions, wishes, reporter, transactions, time);
        var repositoryReconciler = new RepositoryReconciler(
            writer, repositories, views, repositoryQueue,
            new RepositoryIntentRecorder(transactions, postgres, metrics, logs.CreateLogger<RepositoryIntentRecorder>()), time);

        var podController = NewController(new("pods", Workers: 4, Batch: 50), podQueue, podReconciler);
        var resourceController = NewController(new("CachedImages of people", Workers: 4), resourceQueue, observeImages);
        var imageController = NewController(new("CachedImages", Workers: 8), imageQueue, writeImages);
        var repositoryController = NewController(new("Repositories", Workers: 1), repositoryQueue, repositoryReconciler);   // one, because it gives names
        metrics.Follow(podController, resourceController, imageController, repositoryController);
        problem = () => informers.Select(informer => informer.Problem).FirstOrDefault(reason => reason is not null)
            ?? About("serviceaccounts", accounts.Problem) ?? About("cachedimages", resources.Problem) ?? About("repositories", repositories.Problem)
            ?? podController.Problem ?? resourceController.Problem ?? refresher.Problem
            ?? imageController.Problem ?? repositoryController.Problem;
        observation.Begin(informers);

        // 4. All of it, until one part ends; then the others have to end too.
        await TaskGroup.Run(
            ct,
            [.. informers.Select<PodInformer, Func<CancellationToken, Task>>(informer => informer.Run),
            accounts.Run, resources.Run, repositories.Run, accountInformer.Run, unfollowed.Run, resync.Run, observeImages.Follow,
            repositoryReconciler.Follow, refresher.Refresh, recorder.Run,
            end => After(informers[0].Listed, podController, end),   // pods: a kind of workload that cannot be listed keeps no pod waiting
            end => After(Task.WhenAll(resources.FirstList, refresher.First), resourceController, end),
            end => After(Task.WhenAll(resources.FirstList, refresher.First), imageController, end),
            end => After(Task.WhenAll(repositories.FirstList, refresher.First), repositoryController, end)]);
    }

    private Controller NewController(ControllerOptions options, WorkQueue queue, IReconciler reconciler) =>
        new(options, queue, reconciler, metrics, time, logs.CreateLogger<Controller>());

    private static async Task After(Task begin, Controller controller, CancellationToken ct)
    {
        await begin.WaitAsync(ct);
        await controller.Run(ct);
    }

    private void Suspend(string reason)
    {
        problem = () => reason;
        observation.Suspend(reason);
    }

    private async Task<PodUsageCache> ReadKnownPods(CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        return new PodUsageCache(await ImageUsers.All(connection, ct));
    }

    private static string? About(string what, string? problem) => problem is null ? null : $"{what}: {problem}";

    [LoggerMessage(Level = LogLevel.Warning, Message = "nothing is recorded, because Postgres does not answer as it should ({Reason}); trying again with growing pauses until it does")]
    private partial void LogPostgresIsAway(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "nothing is observed: {Reason}")]
    private partial void LogNotThisCluster(string reason);
}
