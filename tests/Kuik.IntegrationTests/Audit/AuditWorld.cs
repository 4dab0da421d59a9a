using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.IntegrationTests.Doctor;
using Kuik.IntegrationTests.EventLog;
using Kuik.PodWatcher;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>Tests that share one log; those that change it roll back.</summary>
[CollectionDefinition(Name)]
public sealed class AuditCollection : ICollectionFixture<AuditWorld>
{
    public const string Name = "audit";
}

/// <summary>A log of a random run, made by the services' own transactions: snapshots, usage, work and views with it.</summary>
public sealed class AuditWorld : IAsyncLifetime
{
    public const string Nginx = "docker.io/library/nginx:1.27";

    private const int Steps = 300;

    private static readonly DateTimeOffset Start = DateTimeOffset.UtcNow;
    private static readonly string[] Images = [Nginx, .. Enumerable.Range(1, 5).Select(number =>
        $"registry.example.com/team/app-{number}:1")];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kuik-audit-");
    private LogHost _host = null!;

    public int Seed { get; } = int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_SEED"), CultureInfo.InvariantCulture,
        out var seed)
        ? seed
        : Random.Shared.Next();

    /// <summary>The log.</summary>
    public string Database { get; private set; } = "";

    /// <summary>A sequence number in the middle that no event has: as after an append that was rolled back.</summary>
    public long Unused { get; private set; }

    /// <summary>For files of a test.</summary>
    public string Folder => _folder.FullName;

    public NpgsqlDataSource Postgres => _host.Postgres;

    internal EventLogTransactions Transactions => _host.Transactions;

    public async ValueTask InitializeAsync()
    {
        Database = await MigratedDatabase.New();
        _host = await LogHost.Start("audit", Database, WatcherSetup.Documents, builder =>
        {
            builder.Configuration["Kuik:Log:HashChain"] = "true";
            builder.AddKuikImageStates();
            builder.AddHashChain();
        });
        var random = new Random(Seed);
        // In every run: the subjects of the help's examples, a copy that failed and one that was evicted.
        await Record(Observed("front-6d4cf56db6-x2x9z", Nginx));
        await Record(new WorkloadObserved("w-1", "Deployment", "web", "front", [Of(Nginx)], ["regcred"], Start));
        for (var step = 0; step < Steps; step++)
        {
            if (step == Steps / 2)
                Unused = await _host.Ask<long>("select nextval('kuik.mt_events_sequence')");
            await Step(random);
        }
        await Settle(Nginx);
        await Eventually.True(async () => await _host.Ask<bool>("""
            select count(*) = 2 and min(last_seq_id) >= (select max(seq_id) from kuik.mt_events) from kuik.mt_event_progression
            where name like 'image-view-%' or name like 'image-states-%'
            """), "views and snapshots have followed the log");
        await Eventually.True(async () => await _host.Ask<bool>("""
            select coalesce((select max(seq_id) from kuik.event_hashes) >= max(seq_id), false) from kuik.mt_events where type <> 'tombstone'
            """), "the hash chain has followed the log");
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    /// <summary>Runs a command line in a shell, <c>kuik</c> among them, in <see cref="Folder"/> on this log.</summary>
    public Task<ToolResult> Shell(string line, string? database = null) => RunTool.Try("/bin/sh", ["-c", $"cd '{Folder}' && {line}"],
        new Dictionary<string, string?>
        {
            ["PATH"] = $"{Path.GetDirectoryName(DoctorWorld.Tool)}:{Environment.GetEnvironmentVariable("PATH")}",
            ["ConnectionStrings__Postgres"] = database ?? Database,
            ["TZ"] = "UTC",
        });

    /// <summary>Appends one event, of an image that has none yet.</summary>
    public Task AppendRequest(string image) => _host.AppendRequest(image);

    // One decision: an event on an image's stream or on a pod's with what follows from it, in one transaction.
    private async Task Step(Random random)
    {
        var image = Images[random.Next(Images.Length)];
        var other = Images[random.Next(Images.Length)];
        var pod = $"pod-{random.Next(8)}";
        switch (random.Next(10))
        {
            case 0:
                await Record(Observed(pod, image, other));
                break;
            case 1:
                await Record(new PodGone(pod, "web", pod, [image], Start) { Reason = "Deleted" });
                break;
            case 2:
                await Record(new WorkloadObserved("w-2", "CronJob", "web", "nightly", [Of(image)], [], Start));
                break;
            case 3:
                await Record(new WorkloadGone("w-2", "CronJob", "web", "nightly", [image], Start) { Reason = "Deleted" });
                break;
            default:
                await Decide(image, random);
                break;
        }
    }

    /// <summary>Records an event of a pod or workload, with what it means for its images.</summary>
    internal Task Record(object fact) => _host.Transactions.Execute(async log =>
    {
        var (stream, images) = fact switch
        {
            PodObserved e => (StreamName.OfPod(e.PodUid), e.Images.Select(one => one.Image)),
            PodGone e => (StreamName.OfPod(e.PodUid), []),
            WorkloadObserved e => (StreamName.OfWorkload(e.WorkloadUid), e.Images.Select(one => one.Image)),
            var other => (StreamName.OfWorkload(((WorkloadGone)other).WorkloadUid), []),
        };
        (await log.Read(stream, UserState.Initial, UserState.Fold, CancellationToken.None)).Append(fact);
        foreach (var image in await log.ReadImages([.. images.Distinct()], CancellationToken.None))
        {
            var (name, uid) = (StreamName.ImageOf(image.Name), stream[(stream.IndexOf('/', StringComparison.Ordinal) + 1)..]);
            if (!image.State.IsWanted)
                image.Append(new RequestedByPod(name, name, uid, Start));
            else if (image.State.CanExpire)
                image.Append(new ImageUsedAgain(name, uid, Start));
            if (image.State.ObjectName is null)
                image.Append(new ImageNamed(name, name.Replace('/', '-').Replace(':', '-'), Start));
        }
    }, CancellationToken.None);

    private Task Decide(string image, Random random) => _host.Transactions.Execute(async log =>
    {
        var stream = await log.ReadImage(image, CancellationToken.None);
        var state = stream.State;
        var kind = random.Next(8);
        object? fact = (state.Phase, kind) switch
        {
            (ImagePhase.Unknown, _) => new RequestedByPull(image, Start),
            (_, 0) => new ImageRetained(image, Start) { FieldManager = "kubectl-edit" },
            (_, 1) => new ImageReleased(image, Start),
            (_, 2) when state.IsWanted => new ImageForgotten(image, Start),
            (ImagePhase.Wanted or ImagePhase.Failed, _) =>
                new ImageFetchStarted(image, "fetcher-1", Start.AddMinutes(2), Start) { Attempt = state.Attempt + 1 },
            // A fifth of all outcomes is of an attempt that is over.
            (ImagePhase.Copying, 3) => Cached(image, state.Attempt - 1, random),
            (ImagePhase.Copying, 4) => new ImageFetchFailed(image, "unreachable", "no answer", true, Start.AddMinutes(1), Start)
            {
                Attempt = state.Attempt,
            },
            (ImagePhase.Copying, _) => Cached(image, state.Attempt, random),
            (ImagePhase.Cached, 3) => new ImageLost(image, "a blob is missing", state.Attempt, Start),
            (ImagePhase.Cached, _) when state.CanExpire && !await ImageUsers.IsUsed(log.Connection, image, CancellationToken.None) =>
                new ImageExpired(image, Start) { Reason = "unused", UnusedSince = state.UnusedSince, Delay = TimeSpan.FromDays(30) },
            (ImagePhase.Cached, _) when state.CanBecomeUnused => new ImageUnused(image, Start, Start.AddDays(30)),
            (ImagePhase.Leaving, _) => new ImageEvictionStarted(image, "fetcher-1", Start.AddMinutes(2), Start)
            {
                Attempt = state.Attempt + 1,
            },
            (ImagePhase.Removing, _) => new ImageEvicted(image, Start) { Attempt = state.Attempt, Digest = state.Digest },
            _ => null,
        };
        if (fact is null)
            return;
        stream.Append(fact);
        if (fact is ImageFetchStarted or ImageEvictionStarted)
            await WorkTable.Claim(
                log.Connection, fact is ImageFetchStarted ? WorkKind.Fetch : WorkKind.Evict, image, state.Attempt + 1, "fetcher-1",
                TimeSpan.FromMinutes(2), CancellationToken.None);
    }, CancellationToken.None);

    /// <summary>Whatever the run did with it: in use and cached at the end.</summary>
    private async Task Settle(string image)
    {
        await Record(Observed("front-6d4cf56db6-x2x9z", image));
        await Decide(image, new Fixed(5));
        await Decide(image, new Fixed(5));
        await Record(Observed("front-6d4cf56db6-x2x9z", image));
    }

    private static ImageCached Cached(string image, long attempt, Random random) => new(
        image, "sha256:" + new string("0123456789abcdef"[random.Next(16)], 64), "application/vnd.oci.image.index.v1+json",
            ["linux/amd64"], [],
        59_034_828, 12_000_000, 0, TimeSpan.FromSeconds(3), Start)
    { Attempt = attempt };

    /// <summary>A pod with a container for each image.</summary>
    internal static PodObserved Observed(string name, params string[] images) =>
        new(name, "web", name, [.. images.Distinct().Select(Of)], ["regcred"], Start)
        {
            Node = "node-1",
            OwnerKind = "Deployment",
            OwnerName = "front",
            ServiceAccount = "default",
            CreatedAt = Start,
        };

    private static PodImage Of(string image) => new("app", image, image);

    private sealed class Fixed(int value) : Random
    {
        public override int Next(int maxValue) => Math.Min(value, maxValue - 1);
    }
}
