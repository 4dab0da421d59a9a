using Kuik.Contracts;
using Kuik.EventLog;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>The usage table as a projection of the log.</summary>
public class ImageUsersTests
{
    private static readonly CancellationToken Any = CancellationToken.None;

    [Fact]
    public async Task Every_service_that_records_a_pod_changes_the_usage_table_in_the_same_transaction()
    {
        await using var host = await Start();

        await Append(host, Pod("uid-1", "b:1", "a:1", "b:1"), Pod("uid-2", "a:1"));
        Assert.Equal(["a:1 uid-1", "a:1 uid-2", "b:1 uid-1"], await Rows(host));
        await Append(host, Pod("uid-1", "c:1"));
        Assert.Equal(["a:1 uid-2", "c:1 uid-1"], await Rows(host));
        await Append(host, Pod("uid-2"), new PodGone("uid-1", "default", "pod-uid-1", ["c:1"], DateTimeOffset.UtcNow));
        Assert.Empty(await Rows(host));
    }

    [Fact]
    public async Task Whether_a_pod_uses_an_image_and_which_one_is_asked_without_reading_all_of_them()
    {
        await using var host = await Start();
        await using var connection = await host.Postgres.OpenConnectionAsync();

        await Append(host, Pod("uid-1", "a:1") with { PullSecrets = ["first", "second"] });
        Assert.Equal(["first", "second"], (await ImageUsers.Of(connection, "a:1", Any))[0].PullSecrets);

        Assert.True(await ImageUsers.IsUsed(connection, "a:1", Any));
        Assert.False(await ImageUsers.IsUsed(connection, "b:1", Any));
        Assert.Equal("uid-1", await ImageUsers.FirstOf(connection, "a:1", Any));
        Assert.Null(await ImageUsers.FirstOf(connection, "b:1", Any));
    }

    [Fact]
    public async Task A_usage_table_that_has_lost_its_agreement_with_the_log_is_rebuilt_from_it()
    {
        await using var host = await Start();
        await Append(host, Pod("uid-1", "a:1", "b:1") with { PullSecrets = ["s"] }, Pod("uid-2", "a:1"), Pod("uid-3", "c:1"), Pod("uid-4"));
        await Append(host, Pod("uid-2", "b:1"), new PodGone("uid-3", "default", "pod-uid-3", ["c:1"], DateTimeOffset.UtcNow));
        var before = await Described(host);
        Assert.Equal(new ImageUsersDifference(0, 0), await ImageUsersRebuild.Rebuild(host.Postgres, Any));

        await host.Execute("""
            delete from kuik.image_users where image = 'a:1';
            update kuik.image_users set pull_secrets = '{}' where pod_uid = 'uid-1';
            insert into kuik.image_users values ('z:1', 'uid-9', 'default', 'nobody', '{}')
            """);
        var difference = await ImageUsersRebuild.Rebuild(host.Postgres, Any);

        Assert.Equal(new ImageUsersDifference(2, 2), difference);
        Assert.Equal(before, await Described(host));
    }

    [Fact]
    public async Task Workloads_are_users_beside_pods_and_a_rebuild_knows_them()
    {
        await using var host = await Start();
        await using var connection = await host.Postgres.OpenConnectionAsync();

        var nightly = Workload("uid-2", "CronJob", "a:1", "b:1") with { PullSecrets = ["s"] };
        await Append(host, Pod("uid-1", "a:1"), nightly, Workload("uid-3", "Deployment", "c:1"));
        Assert.Equal(["a:1 CronJob/uid-2", "a:1 uid-1", "b:1 CronJob/uid-2", "c:1 Deployment/uid-3"], await Rows(host));
        await Append(host, new WorkloadGone("uid-3", "Deployment", "default", "w", ["c:1"], DateTimeOffset.UtcNow));
        await Append(host, nightly with { Images = nightly.Images.Skip(1).ToList() });

        Assert.Equal(["a:1 uid-1", "b:1 CronJob/uid-2"], await Rows(host));
        Assert.True(await ImageUsers.IsUsed(connection, "b:1", Any));
        Assert.Equal("CronJob/uid-2", await ImageUsers.FirstOf(connection, "b:1", Any));
        Assert.Equal([new PullSecret("default", "s")], await ImageUsers.PullSecretsOfImage(connection, "b:1", Any));
        Assert.Equal(new ImageUsersDifference(0, 0), await ImageUsersRebuild.Rebuild(host.Postgres, Any));
        var before = await Described(host);
        await host.Execute("""
            delete from kuik.image_users; insert into kuik.image_users values ('c:1', 'Deployment/uid-3', 'default', 'w', '{}')
            """);
        Assert.Equal(new ImageUsersDifference(2, 1), await ImageUsersRebuild.Rebuild(host.Postgres, Any));
        Assert.Equal(before, await Described(host));
    }

    [Fact]
    public async Task While_the_table_is_rebuilt_readers_see_it_whole_and_pods_recorded_meanwhile_are_in_it_afterwards()
    {
        await using var host = await Start();
        await Append(host, [.. Enumerable.Range(0, 50).Select(i => Pod($"uid-{i}", "a:1"))]);
        using var end = new CancellationTokenSource();
        var fewest = int.MaxValue;
        var reading = Task.Run(async () =>
        {
            await using var connection = await host.Postgres.OpenConnectionAsync();
            while (!end.IsCancellationRequested)
                fewest = Math.Min(fewest, await ImageUsers.Count(connection, "a:1", Any));
        });

        var writing = Task.WhenAll(Enumerable.Range(50, 50).Select(i => Append(host, Pod($"uid-{i}", "a:1"))));
        for (var round = 0; round < 10; round++)
            await ImageUsersRebuild.Rebuild(host.Postgres, Any);
        await writing;
        await end.CancelAsync();
        await reading;

        Assert.True(fewest >= 50, $"a reader saw {fewest} of 50 pods");
        Assert.Equal(100, (await Rows(host)).Count);
        Assert.Equal(new ImageUsersDifference(0, 0), await ImageUsersRebuild.Rebuild(host.Postgres, Any));
    }

    private static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("test", await MigratedDatabase.New());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Any);
        return host;
    }

    private static Task Append(LogHost host, params object[] facts) => host.Transactions.Execute(async log =>
    {
        foreach (var fact in facts)
        {
            var stream = fact switch
            {
                PodObserved pod => StreamName.OfPod(pod.PodUid),
                PodGone pod => StreamName.OfPod(pod.PodUid),
                WorkloadObserved workload => StreamName.OfWorkload(workload.WorkloadUid),
                _ => StreamName.OfWorkload(((WorkloadGone)fact).WorkloadUid),
            };
            (await log.Read(stream, 0, (count, _) => count + 1, Any)).Append(fact);
        }
    }, Any);

    private static async Task<IReadOnlyList<string>> Rows(LogHost host)
    {
        await using var connection = await host.Postgres.OpenConnectionAsync();
        return [.. (await ImageUsers.All(connection, Any)).Select(user => $"{user.Image} {user.PodUid}").Order(StringComparer.Ordinal)];
    }

    private static Task<string> Described(LogHost host) =>
        host.Ask<string>("select string_agg(u::text, e'\n' order by image, pod_uid) from kuik.image_users u");

    private static WorkloadObserved Workload(string uid, string kind, params string[] images) =>
        new(uid, kind, "default", "w", [.. images.Select(image => new PodImage("c", image, image))], [], DateTimeOffset.UtcNow);

    private static PodObserved Pod(string uid, params string[] images) =>
        new(uid, "default", "pod-" + uid, [.. images.Select(image => new PodImage("c", image, image))], [], DateTimeOffset.UtcNow);
}
