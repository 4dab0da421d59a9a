using Kuik.Contracts;
using Kuik.IntegrationTests.PodWatcher;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Upgrade;

/// <summary>This version and the previous one, as processes on one log, while pods come and go.</summary>
public sealed class UpgradeTests
{
    private const string AlwaysUsed = "registry.example/team/always:1";

    private static readonly (string, string?)[] Settings = [("Kuik:ExpiryDelay", "00:00:02"), ("Kuik:RequestLease", "00:00:05")];

    [Fact]
    public async Task This_version_beside_the_previous_one_on_its_migrated_schema_records_every_pod_and_neither_drops_what_the_other_has()
    {
        // Given the previous version at work
        var previous = await PreviousVersion.Binaries();
        await using var cluster = await ScriptedCluster.Start(isMigrated: false);
        cluster.Binaries = previous;
        await using var load = new PodLoad(cluster.Kubernetes, AlwaysUsed);
        var (oldWatcher, oldExpiry) =
            (await cluster.StartService("PodWatcher", "readyz", Settings), await cluster.StartService("Expiry", "readyz", Settings));
        await load.Goes(on: 20);
        var before = await Schema(cluster);

        // When this version's tables are made and its services come beside it, and take over
        cluster.Binaries = null;
        await cluster.Migrate();
        var migrated = await Schema(cluster);
        var (watcher, expiry) = (await cluster.StartService("PodWatcher", "readyz", Settings),
            await cluster.StartService("Expiry", "readyz", Settings));
        await load.Goes(on: 20);
        oldWatcher.Kill();
        oldExpiry.Kill();
        await load.Goes(on: 20);
        await Recorded(cluster, load);

        // And a replica of the previous version starts again, and leads for a while
        cluster.Binaries = previous;
        var again = await cluster.StartService("PodWatcher", "readyz", Settings);
        watcher.Kill();
        await load.Goes(on: 20);
        await Recorded(cluster, load);
        var afterwards = await Schema(cluster);
        cluster.Binaries = null;
        await cluster.StartService("PodWatcher", "readyz", Settings);
        again.Kill();
        await load.Goes(on: 20);
        await Recorded(cluster, load);

        // Then
        Assert.Empty(before.Except(migrated));
        await AssertNothingIsLost(cluster, migrated, afterwards);
        Assert.Equal(0, await cluster.Count("ImageExpired", StreamName.OfImage(AlwaysUsed)));
        Assert.False(expiry.Process.HasExited, expiry.Log);
    }

    [Fact]
    public async Task The_previous_version_on_the_schema_of_this_one_records_every_pod_and_drops_nothing()
    {
        var previous = await PreviousVersion.Binaries();
        await using var cluster = await ScriptedCluster.Start();
        await using var load = new PodLoad(cluster.Kubernetes, AlwaysUsed);
        var migrated = await Schema(cluster);

        cluster.Binaries = previous;
        var old = await cluster.StartService("PodWatcher", "readyz", Settings);
        await cluster.StartService("Expiry", "readyz", Settings);
        await load.Goes(on: 20);
        await Recorded(cluster, load);
        var afterwards = await Schema(cluster);
        cluster.Binaries = null;
        await cluster.StartService("PodWatcher", "readyz", Settings);
        await cluster.StartService("Expiry", "readyz", Settings);
        old.Kill();
        await load.Goes(on: 20);
        await Recorded(cluster, load);

        await AssertNothingIsLost(cluster, migrated, afterwards);
        Assert.Equal(0, await cluster.Count("ImageExpired", StreamName.OfImage(AlwaysUsed)));
    }

    [Fact]
    public async Task The_previous_version_does_not_know_workloads_and_neither_crashes_nor_deletes_what_they_use()
    {
        // Given an image that only a workload uses, recorded by this version
        var previous = await PreviousVersion.Binaries();
        await using var cluster = await WorkloadCluster.Start();
        cluster.Apply("Deployment", "web", "kept:1");
        var watcher = await cluster.StartWatcher();
        await cluster.Uses("Deployment/web kept:1");
        await cluster.Used("kept:1", "idle:1");

        // When the previous version leads for a while: what its first list lacks, the workload among it, it takes for pods that are gone
        cluster.Log.Binaries = previous;
        var (oldWatcher, oldExpiry) = (await cluster.StartWatcher(), await cluster.StartExpiry());
        watcher.Kill();
        cluster.Kubernetes.AddPod("apps", "later", "later:1");
        await cluster.Log.UsageIsRight();
        cluster.Kubernetes.RemovePod("apps", "later");
        await cluster.Log.UsageIsRight();

        // Then nothing is lost, and this version goes on from there
        await cluster.Uses("Deployment/web kept:1");
        Assert.False(oldWatcher.Process.HasExited || oldExpiry.Process.HasExited, oldWatcher.Log + oldExpiry.Log);
        cluster.Log.Binaries = null;
        await cluster.StartExpiry();
        await cluster.StartWatcher();
        oldWatcher.Kill();
        oldExpiry.Kill();
        await cluster.Expired("idle:1");
        await cluster.Uses("Deployment/web kept:1");
        await cluster.Kept("kept:1");
    }

    /// <summary>With the load held: the usage table says which pods live, and each pod was observed.</summary>
    private static Task Recorded(ScriptedCluster cluster, PodLoad load) => load.Hold(() => cluster.UsageIsRight());

    /// <summary>No data is lost. Indexes may be: the version before this one drops those that it does not know, of tables that it knows,
    /// when it starts; migrating again, as docs/operations/event-log.md says, makes them anew.</summary>
    private static async Task AssertNothingIsLost(ScriptedCluster cluster, IReadOnlySet<string> migrated, IReadOnlySet<string> afterwards)
    {
        Assert.DoesNotContain(migrated.Except(afterwards), name => !name.StartsWith("index ", StringComparison.Ordinal));
        await cluster.Migrate();
        Assert.Empty(migrated.Except(await Schema(cluster)));
    }

    private static async Task<IReadOnlySet<string>> Schema(ScriptedCluster cluster) => (await cluster.Execute("""
        select string_agg(name, E'\n') from (
            select 'column ' || table_name || '.' || column_name as name from information_schema.columns where table_schema = 'kuik'
            union select 'function ' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace 
            where n.nspname = 'kuik'
            union select 'index ' || indexname from pg_indexes where schemaname = 'kuik') all_names
        """))!.Split('\n').ToHashSet();
}
