using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;
using Marten;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>
/// Runs the informers and controllers of the leader, with a new state in each term: watches the cluster, records, writes resources.
/// Failures of Postgres or of the API end none of them: keys are retried, and the cluster is not listed again for that.
/// </summary>
internal sealed partial class ControllerManager(
    KubernetesApi api, WatchedKinds kinds, WatcherOptions options, EventLogTransactions transactions, EventLogReady logReady,
    NpgsqlDataSource postgres, IDocumentStore store, PodTraces traces,
    ClusterObservation observation, WatcherMetrics metrics, ResourceMetrics resourceMetrics, TimeProvider time, ILoggerFactory logs)
{
    /// <summary>The limit of writes to the API a second. Concurrency is limited to eight, and the server's priority and fairness rejects
    /// excess load (429): this limit bounds the consequences of a defect of Kuik.</summary>
    private const int WritesPerSecond = 1000;

    private static readonly WorkQueueOptions Immediate = new();

    // Changes of the users of an image within this time become one write.
    private static readonly WorkQueueOptions Gathered = new() { Gather = TimeSpan.FromSeconds(0.5) };

    private readonly ILogger _logger = logs.CreateLogger<ControllerManager>();
    private Func<string?> _problem = () => null;

    /// <summary>Why this leader is not up to date; null while it is, or does not lead.</summary>
    public string? Problem => _problem();

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="Exception">The log holds an event that this version cannot read.</exception>
    public async Task Run(CancellationToken ct)
    {
        resourceMetrics.Lead(true);
        try
        {
            await Follow(await Prepare(ct), ct);
        }
        catch (Exception fault) when (ct.IsCancellationRequested)
        {
            // Interrupted calls throw various exceptions: Marten wraps Postgres's "canceling statement".
            throw new OperationCanceledException("the lead is lost, or the service ends", fault, ct);
        }
        finally
        {
            _problem = () => null;
            metrics.Follow();
            resourceMetrics.Lead(false);
            observation.End();
        }
    }

    /// <summary>Waits until the log exists, checks that it belongs to this cluster, and reads the recorded uses.</summary>
    private async Task<UsageCache> Prepare(CancellationToken ct)
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
                if (_problem() != fault.Message)
                    LogNotThisCluster(fault.Message);
                Suspend(fault.Message);
            }
            catch (Exception fault) when (!ct.IsCancellationRequested && !EventLogFault.MeansUnreadable(fault))
            {
                var reason = $"nothing is recorded: {Failure.From(fault).Reason}";
                if (_problem() != reason)
                    LogPostgresIsAway(Failure.From(fault).Reason);
                Suspend(reason);
            }
            await backOff.Wait(ct);
        }
    }

    private async Task Follow(UsageCache known, CancellationToken ct)
    {
        // 1. Reflectors of the cluster.
        var users = kinds.Users.ToDictionary(kind => kind, kind => new Reflector<Pod, LiveUser>(kind.Resource, api, time, _logger));
        var accounts = new Reflector<ServiceAccount, AccountSecrets>(kinds.Accounts, api, time, _logger);
        var resources = new Reflector<CachedImage, CachedImage>(kinds.CachedImages, api, time, _logger);
        var repositories = new Reflector<Repository, Repository>(kinds.Repositories, api, time, _logger);

        // 2. Work queues.
        using var podQueue = new WorkQueue(time, Immediate);
        using var resourceQueue = new WorkQueue(time, Immediate);
        using var imageQueue = new WorkQueue(time, Gathered);
        using var repositoryQueue = new WorkQueue(time, Gathered);

        // 3. Informers and reconcilers.
        var (absences, deletions, views, wishes) =
            (new UserAbsences(), new OwnDeletions(), new ImageViews(store, postgres), new RecordedIntents());
        var writer = new RateLimitedApi(api, new TokenBucket(WritesPerSecond, WritesPerSecond, time), metrics);
        IReadOnlyList<UserInformer> informers =
            [.. kinds.Users.Select(kind => new UserInformer(
                api, kind, users[kind], accounts, known, absences, podQueue, time, logs.CreateLogger<UserInformer>()))];
        var accountInformer = new AccountInformer(accounts, [.. users.Values], podQueue);
        var unfollowed = new UnfollowedWorkloads(options, known, absences, podQueue, time);
        var resync = new UsageResync(known, podQueue, postgres, options.LeaseDuration * 2, time, logs.CreateLogger<UsageResync>());
        var refresher = new ImageViewRefresher(views, imageQueue, repositoryQueue, time, logs.CreateLogger<ImageViewRefresher>());
        var pulls = new PullCounts(postgres, imageQueue, time, logs.CreateLogger<PullCounts>());
        var podReconciler = new PodReconciler(
            informers, accounts, known, absences, traces, imageQueue, transactions, metrics, time, logs.CreateLogger<PodReconciler>());
        var observeImages = new CachedImageIntentReconciler(
            writer, resources, views, resourceQueue, imageQueue, deletions, wishes, transactions, metrics,
            logs.CreateLogger<CachedImageIntentReconciler>());
        var recorder = new EventRecorder(api, metrics, time, logs.CreateLogger<EventRecorder>());
        var reporter = new ImageEventReporter(recorder, users[kinds.Users[0]], known, time);   // pods
        var writeImages = new CachedImageReconciler(
            writer, resources, views, known, pulls, deletions, wishes, reporter, transactions, time);
        var repositoryReconciler = new RepositoryReconciler(
            writer, repositories, views, repositoryQueue,
            new RepositoryIntentRecorder(transactions, postgres, metrics, logs.CreateLogger<RepositoryIntentRecorder>()), time);

        var podController = NewController(new("pods", Workers: 4, Batch: 50), podQueue, podReconciler);
        var resourceController = NewController(new("CachedImages of people", Workers: 4), resourceQueue, observeImages);
        var imageController = NewController(new("CachedImages", Workers: 8), imageQueue, writeImages);
        // one worker: it assigns names
        var repositoryController = NewController(new("Repositories", Workers: 1), repositoryQueue, repositoryReconciler);
        metrics.Follow(podController, resourceController, imageController, repositoryController);
        _problem = () => informers.Select(informer => informer.Problem).FirstOrDefault(reason => reason is not null)
            ?? About("serviceaccounts", accounts.Problem) ?? About("cachedimages", resources.Problem)
            ?? About("repositories", repositories.Problem)
            ?? podController.Problem ?? resourceController.Problem ?? refresher.Problem
            ?? imageController.Problem ?? repositoryController.Problem;
        observation.Begin(informers);
        resourceMetrics.Follow(() => ResourceCounts.Of(
            resources.State, repositories.State, users[kinds.Users[0]].State, views.Find, views.ImageNamed));

        // 4. All of them run until one ends, which ends the others.
        await TaskGroup.Run(
            ct,
            [.. informers.Select<UserInformer, Func<CancellationToken, Task>>(informer => informer.Run),
            accounts.Run, resources.Run, repositories.Run, accountInformer.Run, unfollowed.Run, resync.Run, observeImages.Follow,
            repositoryReconciler.Follow, refresher.Refresh, recorder.Run, pulls.Run,
            end => After(informers[0].Listed, podController, end),   // pods do not wait for kinds of workloads that cannot be listed
            end => After(Task.WhenAll(resources.FirstList, refresher.First), resourceController, end),
            end => After(Task.WhenAll(resources.FirstList, refresher.First, pulls.First), imageController, end),
            end => After(Task.WhenAll(repositories.FirstList, refresher.First), repositoryController, end)]);
    }

    private Controller NewController(ControllerOptions controller, WorkQueue queue, IReconciler reconciler) =>
        new(controller, queue, reconciler, metrics, time, logs.CreateLogger<Controller>());

    private static async Task After(Task begin, Controller controller, CancellationToken ct)
    {
        await begin.WaitAsync(ct);
        await controller.Run(ct);
    }

    private void Suspend(string reason)
    {
        _problem = () => reason;
        observation.Suspend(reason);
    }

    private async Task<UsageCache> ReadKnownPods(CancellationToken ct)
    {
        await using var connection = await postgres.OpenConnectionAsync(ct);
        return new UsageCache(await ImageUsers.All(connection, ct));
    }

    private static string? About(string what, string? problem) => problem is null ? null : $"{what}: {problem}";

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "nothing is recorded: Postgres is unreachable or fails ({Reason}); trying again with growing pauses")]
    private partial void LogPostgresIsAway(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "nothing is observed: {Reason}")]
    private partial void LogNotThisCluster(string reason);
}
