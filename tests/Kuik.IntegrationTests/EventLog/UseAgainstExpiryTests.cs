using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>
/// The order that protects a used image, on the event log alone, with the smallest decisions that follow the rule: a transaction
/// that adds a usage row holds the image's lock shared; the decision that nothing uses it holds it exclusively, counts, and
/// appends in the same transaction.
/// </summary>
public class UseAgainstExpiryTests
{
    private static readonly CancellationToken Any = CancellationToken.None;

    [Fact]
    public async Task However_a_pods_start_and_the_images_expiry_interleave_no_used_image_is_left_expired()
    {
        await using var host = await LogHost.Start("test", await (await Postgres.Shared()).NewDatabase());
        var random = new Random(20260302);

        foreach (var round in Enumerable.Range(0, 200))
        {
            var image = $"docker.io/library/round:{round}";
            await Append(host, image, new RequestedByPod(image, image, "before", DateTimeOffset.UtcNow));
            Func<Task>[] race =
            [
                () => Expire(host, image, random.Next(3)),
                () => StartPod(host, image, $"pod-{round}-a", random.Next(3)),
                () => StartPod(host, image, $"pod-{round}-b", random.Next(3)),
                () => Expire(host, image, random.Next(3)),
            ];
            random.Shuffle(race);

            await Task.WhenAll(race.Select(step => Task.Run(step)));

            var isExpired = await host.Transactions.Execute(async transaction => (await Read(transaction, image)).State, Any);
            await using var connection = await host.Postgres.OpenConnectionAsync();
            Assert.Equal(2, await ImageUsers.Count(connection, image, Any));
            Assert.False(isExpired, $"{image} is used and expired, and has not been requested since");
        }
        Assert.NotEqual(0L, await host.Ask<long>("select count(*) from kuik.mt_events where type = 'ImageExpired'"));
    }

    /// <summary>As pod-watcher does: lock, rows, and a request when the image is on its way out.</summary>
    private static Task StartPod(LogHost host, string image, string uid, int yields) => host.Transactions.Execute(async transaction =>
    {
        await Yield(yields);
        await ImageLocks.TakeToUse(transaction, [image], Any);
        await ImageUsers.Replace(transaction.Connection,
            new PodObserved(uid, "default", uid, [new("c", image, image)], [], DateTimeOffset.UtcNow), Any);
        var stream = await Read(transaction, image);
        if (stream.State)
            stream.Append(new RequestedByPod(image, image, uid, DateTimeOffset.UtcNow));
    }, Any);

    private static Task Expire(LogHost host, string image, int yields) => host.Transactions.Execute(async transaction =>
    {
        await Yield(yields);
        await ImageLocks.TakeToExpire(transaction, image, Any);
        var users = await ImageUsers.Count(transaction.Connection, image, Any);
        var stream = await Read(transaction, image);
        if (users == 0 && !stream.State)
            stream.Append(new ImageExpired(image, DateTimeOffset.UtcNow));
    }, Any);

    private static Task Append(LogHost host, string image, object fact) =>
        host.Transactions.Execute(async transaction => (await Read(transaction, image)).Append(fact), Any);

    private static Task<EventStream<bool>> Read(EventLogTransaction transaction, string image) =>
        transaction.Read(StreamName.OfImage(image), false,
            (isExpired, fact) => fact switch { ImageExpired => true, RequestedByPod => false, _ => isExpired }, Any);

    private static async Task Yield(int times)
    {
        for (var i = 0; i < times; i++)
            await Task.Yield();
    }
}
