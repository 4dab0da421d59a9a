using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.PodWatcher;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>
/// A log with streams that ended a hundred days ago: an image that was evicted (<see cref="Evicted"/>), a pod <c>gone</c>, a workload
/// <c>job</c>; with streams as old that go on: an image in use, one that was evicted and retained again, a pod that has come back; and with
/// a pod that ended today.
/// </summary>
internal static class OldLog
{
    public const string Live = "docker.io/library/live:1";
    public const string Evicted = "docker.io/library/evicted:1";
    private const string Retained = "docker.io/library/retained:1";

    private static readonly CancellationToken Any = CancellationToken.None;
    private static readonly DateTimeOffset Noon = DateTimeOffset.UtcNow;

    public static async Task<LogHost> Start()
    {
        var host = await LogHost.Start("expiry", await MigratedDatabase.New(), WatcherSetup.Documents,
            builder => builder.AddKuikImageStates());
        await host.Services.GetRequiredService<EventLogReady>().Wait(Any);
        await Observe(host, "user");
        foreach (var image in new[] { Live, Evicted, Retained })
            await Append(host, image, new RequestedByPull(image, Noon), new ImageFetchStarted(image, "f", Noon, Noon) { Attempt = 1 },
                Cached(image));
        foreach (var uid in new[] { "gone", "back" })
        {
            await Observe(host, uid);
            await End(host, uid);
        }
        await Observe(host, "back");
        foreach (var image in new[] { Evicted, Retained })
            await Append(host, image, new ImageExpired(image, Noon), new ImageEvictionStarted(image, "f", Noon, Noon) { Attempt = 2 },
                new ImageEvicted(image, Noon) { Attempt = 2 });
        await Append(host, Retained, new ImageRetained(Retained, Noon));
        await host.Transactions.Execute(async log =>
        {
            var job = await log.Read(StreamName.OfWorkload("job"), 0, (count, _) => count + 1, Any);
            job.Append(new WorkloadObserved("job", "Job", "web", "job", [new PodImage("c", Live, "live:1")], [], Noon));
            job.Append(new WorkloadGone("job", "Job", "web", "job", [Live], Noon));
        }, Any);
        await host.Execute("update kuik.mt_events set timestamp = timestamp - interval '100 days'");
        await Observe(host, "young");
        await End(host, "young");
        await Observe(host, "last");
        return host;
    }

    /// <summary>Waits until the projections have followed the log; the relay, which is not there, is said to have.</summary>
    public static async Task IsProjected(LogHost host)
    {
        await Eventually.True(async () => await host.Ask<bool>("""
            select count(*) = 2 and min(last_seq_id) >= (select max(seq_id) from kuik.mt_events) from kuik.mt_event_progression
            where name like 'image-view-%' or name like 'image-states-%'
            """), "views and snapshots have followed the log");
        await host.Execute("""
            insert into kuik.mt_event_progression (name, last_seq_id, last_updated) select 'relay:All', max(seq_id), now()
            from kuik.mt_events on conflict (name) do update set last_seq_id = excluded.last_seq_id
            """);
    }

    /// <summary>Appends the observation of a pod that uses <see cref="Live"/>.</summary>
    public static Task Observe(LogHost host, string uid) =>
        AppendUse(host, new PodObserved(uid, "web", uid, [new PodImage("c", Live, "live:1")], [], Noon), uid);

    private static Task End(LogHost host, string uid) => AppendUse(host, new PodGone(uid, "web", uid, [Live], Noon), uid);

    private static Task AppendUse(LogHost host, object fact, string uid) => host.Transactions.Execute(async log =>
        (await log.Read(StreamName.OfPod(uid), 0, (count, _) => count + 1, Any)).Append(fact), Any);

    private static Task Append(LogHost host, string image, params object[] facts) => host.Transactions.Execute(async log =>
    {
        var stream = await log.ReadImage(image, Any);
        foreach (var fact in facts)
            stream.Append(fact);
    }, Any);

    private static ImageCached Cached(string image) => new(
        image, "sha256:" + new string('a', 64), "application/vnd.oci.image.manifest.v1+json", [], [], 1, 1, 0, TimeSpan.Zero, Noon)
    { Attempt = 1 };
}
