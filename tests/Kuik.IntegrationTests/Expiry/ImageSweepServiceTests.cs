using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.Expiry;

/// <summary>Expiry on a real event log and a real broker.</summary>
public class ImageSweepServiceTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly CancellationToken Any = CancellationToken.None;
    private static readonly SchedulingOptions Scheduling = new(TimeSpan.FromDays(30), TimeSpan.FromMinutes(10));

    private readonly List<object> published = [];

    [Fact]
    public async Task An_image_that_no_pod_uses_is_recorded_as_unused_once()
    {
        await using var host = await Start();
        await Append(host, Nginx, new RequestedByPod(Nginx, "nginx:1.27", "uid", DateTimeOffset.UtcNow), Cached());

        await Sweep(host);
        await Sweep(host);

        var unused = Assert.IsType<ImageUnused>(Assert.Single((await Facts(host, Nginx)).Skip(2)));
        Assert.Equal(Scheduling.ExpiryDelay, unused.ExpiresAt - unused.Since);
        Assert.Equal([Nginx], await WorkTable.Expiring(host.Postgres, TimeSpan.Zero, 10, Any));
        Assert.Empty(await WorkTable.Expiring(host.Postgres, Scheduling.ExpiryDelay, 10, Any));
    }

    [Fact]
    public async Task An_image_with_a_user_is_left_alone()
    {
        await using var host = await Start();
        await Append(host, Nginx, new RequestedByPod(Nginx, "nginx:1.27", "uid", DateTimeOffset.UtcNow), Cached());
        await Append(host, "other:1", new RequestedByPerson("other:1", "other:1", "other-1", DateTimeOffset.UtcNow));
        await using (var connection = await host.Postgres.OpenConnectionAsync())
            await ImageUsers.Replace(connection,
                new PodObserved("uid", "default", "web", [new("c", Nginx, "nginx:1.27")], [], DateTimeOffset.UtcNow), Any);

        await Sweep(host);

        Assert.Equal(2, (await Facts(host, Nginx)).Count);
        Assert.IsType<ImageUnused>((await Facts(host, "other:1"))[^1]);
        Assert.False(await host.Services.GetRequiredService<NoteUnused>().Note(Nginx, null, Any));
    }

    [Fact]
    public async Task Two_replicas_that_sweep_at_once_decide_and_announce_each_thing_once()
    {
        await using var host = await Start();
        var images = Enumerable.Range(0, 20).Select(i => $"docker.io/library/image:{i:00}").ToList();
        foreach (var image in images)
            await Append(host, image, new RequestedByPull(image, DateTimeOffset.UtcNow));
        await MakeDue(host);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Sweep(host)));

        foreach (var image in images)
            Assert.Equal([typeof(RequestedByPull), typeof(ImageUnused)], (await Facts(host, image)).Select(fact => fact.GetType()));
        await Eventually.True(() => Published<FetchDue>().Count >= 20, "they are announced");
        Assert.Equal(images, Published<FetchDue>().Select(due => due.Image).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_request_is_not_announced_before_its_time_and_again_only_after_the_request_lease()
    {
        await using var host = await Start();
        await Append(host, Nginx, new RequestedByPull(Nginx, DateTimeOffset.UtcNow));

        await Sweep(host);
        var early = Published<FetchDue>().Count;
        await MakeDue(host);
        await Sweep(host);
        await Sweep(host);

        await Eventually.True(() => Published<FetchDue>().Count >= 1, "it is announced");
        Assert.Equal((0, 1), (early, Published<FetchDue>().Count));
    }

    [Fact]
    public async Task What_RabbitMQ_does_not_confirm_is_announced_as_soon_as_it_answers_again()
    {
        var rabbit = await RabbitMq.StartOwn();
        await using var host = await Start(
            await (await Postgres.Shared()).NewDatabase(), await rabbit.NewVirtualHost(), sweeps: TimeSpan.FromDays(1));
        await Append(host, Nginx, new RequestedByPull(Nginx, DateTimeOffset.UtcNow));
        await MakeDue(host);

        await rabbit.Stop();
        await Sweep(host);
        await rabbit.Start();

        await Eventually.True(
            async () =>
            {
                await Sweep(host);
                return Published<FetchDue>().Count > 0;
            },
            "it is announced, long before the request lease ends", TimeSpan.FromMinutes(3));
    }

    [Fact]
    public async Task What_no_queue_has_taken_is_announced_again_once_there_is_one()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var rabbit = await (await RabbitMq.Shared()).NewVirtualHost();
        await using (var withoutFetchers = await Start(postgres, rabbit, TimeSpan.FromDays(1), hasFetchers: false))
        {
            await Append(withoutFetchers, Nginx, new RequestedByPull(Nginx, DateTimeOffset.UtcNow));
            await MakeDue(withoutFetchers);
            await Sweep(withoutFetchers);
        }

        await using var host = await Start(postgres, rabbit, TimeSpan.FromDays(1));
        await Eventually.True(
            async () =>
            {
                await Sweep(host);
                return Published<FetchDue>().Count > 0;
            },
            "it is announced, long before the request lease ends", TimeSpan.FromMinutes(3));
    }

    [Fact]
    public async Task A_failed_copy_is_announced_at_its_time_and_an_eviction_whose_lease_has_ended_too()
    {
        await using var host = await Start();
        var (now, past) = (DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddMinutes(-1));
        await Append(host, "later:1", new RequestedByPull("later:1", now),
            new ImageFetchFailed("later:1", "unreachable", "no answer", true, now.AddHours(1), now));
        await Append(host, "failed:1", new RequestedByPull("failed:1", now),
            new ImageFetchFailed("failed:1", "unreachable", "no answer", true, past, now));
        await Append(host, "leaving:1", new RequestedByPull("leaving:1", now), new ImageExpired("leaving:1", now),
            new ImageEvictionStarted("leaving:1", "fetcher-0", past, now));

        await Sweep(host);

        await Eventually.True(() => published.Count >= 2, "they are announced");
        Assert.Equal(["failed:1"], Published<FetchDue>().Select(due => due.Image));
        Assert.Equal(["leaving:1"], Published<EvictionDue>().Select(due => due.Image));
    }

    [Fact]
    public async Task The_service_records_that_an_image_is_unused_as_soon_as_its_last_pod_is_gone()
    {
        var rabbit = await (await RabbitMq.Shared()).NewVirtualHost();
        var postgres = await (await Postgres.Shared()).NewDatabase();
        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));
        await using var expiry = await Start(postgres, rabbit, sweeps: TimeSpan.FromDays(1));
        await Append(expiry, Nginx, new RequestedByPod(Nginx, "nginx:1.27", "uid", DateTimeOffset.UtcNow), Cached());

        await expiry.Transactions.Execute(async transaction =>
        {
            var pod = await transaction.Read(StreamName.OfPod("uid"), 0, (count, _) => count + 1, Any);
            pod.Append(new PodGone("uid", "default", "web", [Nginx], DateTimeOffset.UtcNow));
        }, Any);

        await Eventually.True(async () => (await Facts(expiry, Nginx)).OfType<ImageUnused>().Any(), "it is recorded as unused");
        Assert.Single((await Facts(expiry, Nginx)).OfType<ImageUnused>());
    }

    private async Task<LogHost> Start() => await Start(
        await (await Postgres.Shared()).NewDatabase(), await (await RabbitMq.Shared()).NewVirtualHost(), sweeps: TimeSpan.FromDays(1));

    /// <summary>The service itself, which keeps what it announces; the test sweeps.</summary>
    private async Task<LogHost> Start(string postgres, string rabbit, TimeSpan sweeps, bool hasFetchers = true)
    {
        var host = await LogHost.Start("expiry", postgres, null, builder =>
        {
            builder.Configuration["ConnectionStrings:RabbitMq"] = rabbit;
            builder.AddKuikBus(bus =>
            {
                bus.AddConsumer<NoteUnused>();
                if (!hasFetchers)
                    return;
                bus.AddHandler((FetchDue due) => Keep(due));
                bus.AddHandler((EvictionDue due) => Keep(due));
            });
            builder.Services.AddSingleton(new ExpiryOptions(sweeps)).AddSingleton<ExpiryMetrics>().AddSingleton<NoteUnused>()
                .AddSingleton<DueWorkAnnouncer>()
                .AddSingleton<ImageSweepService>();
        });
        await host.Services.GetRequiredService<EventLogReady>().Wait(Any);
        await Eventually.True(async () => (await host.Ready()).Body.Contains("masstransit-bus: Healthy", StringComparison.Ordinal),
            "the queues exist");
        return host;
    }

    private Task Keep(object due)
    {
        lock (published)
            published.Add(due);
        return Task.CompletedTask;
    }

    private List<T> Published<T>()
    {
        lock (published)
            return [.. published.OfType<T>()];
    }

    private static Task Sweep(LogHost host) => host.Services.GetRequiredService<ImageSweepService>().Sweep(Any);

    private static Task<object?> MakeDue(LogHost host) => host.Ask<object?>("update kuik.work set wake_at = now() - interval '1 second'");

    private static Task Append(LogHost host, string image, params object[] facts) => host.Transactions.Execute(async transaction =>
    {
        var stream = await transaction.ReadImage(image, Any);
        foreach (var fact in facts)
            stream.Append(fact);
    }, Any);

    private static Task<IReadOnlyList<object>> Facts(LogHost host, string image) => host.Transactions.Execute(async transaction =>
        (await transaction.Read<IReadOnlyList<object>>(StreamName.OfImage(image), [], (facts, fact) => [.. facts, fact], Any)).State, Any);

    private static ImageCached Cached() =>
        new(Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.manifest.v1+json", [], [], 10, 10, 0,
            TimeSpan.FromSeconds(1), DateTimeOffset.UtcNow);
}
