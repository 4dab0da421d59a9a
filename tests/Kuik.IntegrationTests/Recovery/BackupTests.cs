using Kuik.Contracts;
using Kuik.IntegrationTests.Upgrade;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Recovery;

/// <summary>The commands of docs/operations/backup.md, on a log that has gone on since.</summary>
public sealed class BackupTests
{
    private const string Kept = "registry.example/team/kept:1";
    private const string Idle = "registry.example/team/idle:1";
    private const string Fresh = "registry.example/team/fresh:1";

    private static readonly (string, string?)[] Settings = [("Kuik:ExpiryDelay", "00:00:03"), ("Kuik:RequestLease", "00:00:05")];

    [Theory]
    [InlineData("this version")]
    [InlineData("the previous version")]
    public async Task A_restored_backup_is_brought_up_to_date_and_nothing_expires_that_is_used_by_now(string madeBy)
    {
        // Given a backup
        await using var cluster = await ScriptedCluster.Start(isMigrated: madeBy == "this version");
        if (madeBy == "the previous version")
            cluster.Binaries = await PreviousVersion.Binaries();
        cluster.Kubernetes.AddPod("apps", "stays", Kept);
        cluster.Kubernetes.AddPod("apps", "goes", Kept);
        cluster.Kubernetes.AddPod("apps", "goes-before", Idle);
        var before = await cluster.StartService("PodWatcher", "readyz", Settings);
        await cluster.UsageIsRight();
        cluster.Kubernetes.RemovePod("apps", "goes-before");
        await cluster.UsageIsRight();
        var backup = await Dump(cluster);

        // When it is restored after more has happened
        cluster.Kubernetes.RemovePod("apps", "goes");
        cluster.Kubernetes.AddPod("apps", "comes", Fresh);
        cluster.Kubernetes.AddPod("apps", "uses-it-again", Idle);
        await cluster.UsageIsRight();
        await before.Stop();
        cluster.Binaries = null;
        await Restore(cluster, backup);
        Assert.Equal(0, await cluster.Count("PodObserved", StreamName.OfPod(Uid(cluster, "comes"))));
        await cluster.Migrate();
        await cluster.StartService("PodWatcher", "readyz", Settings);
        await cluster.StartService("Expiry", "readyz", Settings);

        // Then
        await cluster.UsageIsRight();
        await Eventually.True(
            () => ShowsUsers(cluster, Kept, 1) && ShowsUsers(cluster, Idle, 1) && ShowsUsers(cluster, Fresh, 1), "the resources show it");
        cluster.Kubernetes.RemovePod("apps", "stays");
        await Eventually.True(async () => await Expired(cluster, Kept) == 1, "what is unused expires", TimeSpan.FromMinutes(2));
        Assert.Equal((0, 0), (await Expired(cluster, Idle), await Expired(cluster, Fresh)));
    }

    private static Task<int> Expired(ScriptedCluster cluster, string image) => cluster.Count("ImageExpired", StreamName.OfImage(image));

    private static string Uid(ScriptedCluster cluster, string pod) => cluster.Kubernetes.Pods.Single(live => live.Pod.Name == pod).Uid;

    private static bool ShowsUsers(ScriptedCluster cluster, string image, int users)
    {
        var path = $"apis/{Names.Group}/{Names.Version}/cachedimages/{ObjectName.Of(ImageReference.Parse(image))}";
        return (int?)cluster.Kubernetes.Find(path)?["status"]?["usedBy"]?["count"] == users;
    }

    private static async Task<string> Dump(ScriptedCluster cluster)
    {
        var file = Path.Combine(Sandbox.Shared.NewFolder("backup"), "kuik.dump");
        await RunTool.Run("pg_dump", ["-d", AddressOf(cluster), "-Fc", "-f", file]);
        return file;
    }

    private static async Task Restore(ScriptedCluster cluster, string file) =>
        await RunTool.Run("pg_restore", ["-d", AddressOf(cluster), "--clean", "--if-exists", "--single-transaction", file]);

    private static string AddressOf(ScriptedCluster cluster)
    {
        var log = new NpgsqlConnectionStringBuilder(cluster.Database);
        return $"postgresql://{log.Username}:{log.Password}@{log.Host}:{log.Port}/{log.Database}";
    }
}
