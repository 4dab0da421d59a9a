using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

public class TransactionTests
{
    private const string Image = "docker.io/library/nginx:1";
    private static readonly CancellationToken Any = CancellationToken.None;

    [Fact]
    public async Task Decisions_that_race_for_one_stream_are_made_one_after_the_other()
    {
        await using var host = await Start();

        var seen = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => host.Transactions.Execute(async transaction =>
        {
            await Append(transaction);
            return (await Read(transaction)).State;
        }, Any)));

        Assert.Equal(Enumerable.Range(1, 30), seen.Order());
        Assert.Equal(30L, await host.Ask<long>("select count(*) from kuik.mt_events"));
    }

    [Fact]
    public async Task An_attempt_after_a_conflict_waits_for_earlier_ones()
    {
        await using var host = await Start();
        var (lateHasRead, lateMayGo) = (new TaskCompletionSource(), new TaskCompletionSource());
        var (earlyIsBack, earlyMayCommit) = (new TaskCompletionSource(), new TaskCompletionSource());
        var (lateAttempts, earlyAttempts) = (0, 0);
        var late = host.Transactions.Execute(async transaction =>
        {
            await Append(transaction);
            if (++lateAttempts == 1)
            {
                lateHasRead.SetResult();
                await lateMayGo.Task;
            }
        }, Any);
        await lateHasRead.Task;

        var early = host.Transactions.Execute(async transaction =>
        {
            await Append(transaction);
            if (++earlyAttempts == 1)
            {
                await host.Transactions.Execute(Append, Any); // a third is before both
                return;
            }
            earlyIsBack.SetResult();
            await earlyMayCommit.Task;
        }, Any);
        await earlyIsBack.Task;
        lateMayGo.SetResult();
        await OneWaits(host);
        earlyMayCommit.SetResult();
        await Task.WhenAll(early, late);

        Assert.Equal((2, 2), (earlyAttempts, lateAttempts));
        Assert.Equal(3L, await host.Ask<long>("select count(*) from kuik.mt_events"));
    }

    [Fact]
    public async Task A_decision_that_fails_leaves_nothing_behind()
    {
        await using var host = await Start();

        await Assert.ThrowsAsync<InvalidOperationException>(() => host.Transactions.Execute(async transaction =>
        {
            await ImageUsers.Replace(transaction.Connection, Pod("uid", Image), Any);
            await Append(transaction);
            throw new InvalidOperationException();
        }, Any));

        Assert.Equal(0L, await host.Ask<long>("select count(*) from kuik.mt_events"));
        Assert.Equal(0L, await host.Ask<long>("select count(*) from kuik.image_users"));
    }

    [Theory]
    [InlineData("apps", true, "other")]
    [InlineData("apps", false, "pull")]
    [InlineData("apps", false)]
    [InlineData("elsewhere", true, "pull")]
    public async Task A_pod_brings_a_secret_when_no_pod_of_its_namespace_brought_it_for_the_image(string @namespace, bool brings,
        params string[] secrets)
    {
        await using var host = await Start();
        var first = Pod("first", Image) with { Namespace = "apps", PullSecrets = ["pull", "more"] };
        var next = Pod("next", Image) with { Namespace = @namespace, PullSecrets = secrets };
        await host.Transactions.Execute(transaction => ImageUsers.Replace(transaction.Connection, first, Any), Any);

        var answer = await host.Transactions.Execute(transaction => ImageUsers.BringsSecret(transaction.Connection, Image, next, Any), Any);

        Assert.Equal(brings, answer);
    }

    [Fact]
    public async Task A_transaction_that_waited_for_a_lock_sees_the_data_its_holder_committed()
    {
        await using var host = await Start();
        var isHeld = new TaskCompletionSource();
        var mayCommit = new TaskCompletionSource();
        var holder = host.Transactions.Execute(async transaction =>
        {
            await ImageLocks.TakeToUse(transaction, [Image], Any);
            isHeld.SetResult();
            await mayCommit.Task;
            await ImageUsers.Replace(transaction.Connection, Pod("uid", Image), Any);
            await Append(transaction);
        }, Any);
        await isHeld.Task;

        var waiter = host.Transactions.Execute(async transaction =>
        {
            await ImageLocks.TakeToExpire(transaction, Image, Any);
            return (await ImageUsers.Count(transaction.Connection, Image, Any), (await Read(transaction)).State);
        }, Any);
        await OneWaits(host);
        mayCommit.SetResult();
        await holder;

        Assert.Equal((1, 1), await waiter);
    }

    [Fact]
    public async Task A_pods_rows_are_replaced_and_removed_whole()
    {
        await using var host = await Start();
        await using var connection = await host.Postgres.OpenConnectionAsync();

        await ImageUsers.Replace(connection, Pod("uid-1", "a:1", "b:1", "a:1"), Any);
        await ImageUsers.Replace(connection, Pod("uid-2", "a:1"), Any);
        await ImageUsers.Replace(connection, Pod("uid-1", "a:1", "c:1"), Any);
        Assert.Equal(2, await ImageUsers.Count(connection, "a:1", Any));
        Assert.Equal(0, await ImageUsers.Count(connection, "b:1", Any));
        Assert.Equal(["a:1", "c:1"], (await ImageUsers.OfPod(connection, "uid-1", Any)).Select(user => user.Image));

        await ImageUsers.Remove(connection, "uid-1", Any);
        Assert.Equal(new Dictionary<string, int> { ["a:1"] = 1 }, await ImageUsers.Counts(connection, null, Any));
    }

    [Fact]
    public async Task Pull_secrets_are_found_by_image_in_the_order_in_which_pods_name_them()
    {
        await using var host = await Start();
        await using var connection = await host.Postgres.OpenConnectionAsync();
        await ImageUsers.Replace(connection, Pod("uid-1", "docker.io/library/nginx:1") with { PullSecrets = ["ours", "mine"] }, Any);
        await ImageUsers.Replace(connection, Pod("uid-2", "docker.io/library/nginx:1") with { PullSecrets = ["ours"] }, Any);
        await ImageUsers.Replace(connection,
            Pod("uid-3", "docker.io/library/nginx:1") with { Namespace = "apps", PullSecrets = ["theirs"] }, Any);
        await ImageUsers.Replace(connection, Pod("uid-4", "docker.io/library/nginx:2"), Any);

        Assert.Equal([new PullSecret("apps", "theirs"), new PullSecret("default", "ours"), new PullSecret("default", "mine")],
            await ImageUsers.PullSecretsOfImage(connection, "docker.io/library/nginx:1", Any));
        Assert.Empty(await ImageUsers.PullSecretsOfImage(connection, "docker.io/library/nginx:2", Any));
    }

    private static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("test", await (await Postgres.Shared()).NewDatabase());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Any);
        return host;
    }

    private static Task<EventStream<int>> Read(EventLogTransaction transaction) =>
        transaction.Read(StreamName.OfImage(Image), 0, (count, _) => count + 1, Any);

    private static async Task Append(EventLogTransaction transaction) =>
        (await Read(transaction)).Append(new RequestedByPull(Image, DateTimeOffset.UtcNow));

    private static Task OneWaits(LogHost host) => Eventually.True(async () => await host.Ask<long>("""
        select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database
        where datname = current_database() and locktype = 'advisory' and not granted
        """) == 1, "the second waits");

    private static PodObserved Pod(string uid, params string[] images) =>
        new(uid, "default", "pod-" + uid, [.. images.Select(image => new PodImage("c", image, image))], [], DateTimeOffset.UtcNow);
}
