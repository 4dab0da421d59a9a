using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Expiry;

/// <summary>Expiry on a real event log. Time is moved by hand, except where the service itself runs.</summary>
public class SweepImagesTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private static readonly CancellationToken Any = CancellationToken.None;
    private static readonly ExpirySettings Settings = new(TimeSpan.FromDays(30), TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(30));

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task An_unused_image_is_noted_then_proposed_after_its_delay_and_proposed_again_when_nobody_answers()
    {
        await using var host = await Start();
        await Append(host, Nginx, new RequestedByPod(Nginx, "nginx:1.27", "uid", time.GetUtcNow()), Cached());
        var since = time.GetUtcNow();

        await SweepUntil(host, [typeof(ImageUnused)]);
        time.Advance(TimeSpan.FromDays(30));
        await SweepUntil(host, [typeof(ImageUnused), typeof(ExpiryProposed)]);
        time.Advance(TimeSpan.FromMinutes(10));
        await SweepUntil(host, [typeof(ImageUnused), typeof(ExpiryProposed), typeof(ExpiryProposed)]);

        Assert.Equal(
            [
                new ImageUnused(Nginx, since, since.AddDays(30)),
                new ExpiryProposed(Nginx, since, since.AddDays(30)),
                new ExpiryProposed(Nginx, since, since.AddDays(30).AddMinutes(10)),
            ],
            (await Facts(host, Nginx)).Skip(2));
    }

    [Fact]
    public async Task An_image_with_a_user_is_left_alone()
    {
        await using var host = await Start();
        await Append(host, Nginx, new RequestedByPod(Nginx, "nginx:1.27", "uid", time.GetUtcNow()), Cached());
        await Append(host, "other:1", new RequestedByPerson("other:1", "other:1", "other-1", time.GetUtcNow()));
        await using (var connection = await host.Postgres.OpenConnectionAsync())
            await ImageUsers.Replace(connection, new PodObserved("uid", "default", "web", [new("c", Nginx, "nginx:1.27")], [], time.GetUtcNow()), Any);

        await Eventually.True(async () => (await FindImages.WithoutUsers(host.Postgres, Any)).Count > 0, "the projection has caught up");
        await Replica(host).Sweep(Any);

        Assert.Equal(2, (await Facts(host, Nginx)).Count);
        Assert.IsType<ImageUnused>((await Facts(host, "other:1"))[^1]);
        Assert.False(await Noting(host).Run(Nginx, null, Any));
    }

    [Fact]
    public async Task Two_replicas_that_sweep_at_once_decide_each_thing_once()
    {
        await using var host = await Start();
        var images = Enumerable.Range(0, 20).Select(i => $"docker.io/library/image:{i}").ToList();
        foreach (var image in images)
            await Append(host, image, new RequestedByPull(image, time.GetUtcNow()));
        time.Advance(Settings.RequestLease);
        await Eventually.True(async () => (await FindImages.Overdue(host.Postgres, time.GetUtcNow(), Settings.RequestLease, Any)).Count == 20, "the projection has caught up");

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Replica(host).Sweep(Any)));

        foreach (var image in images)
            Assert.Equal([typeof(RequestedByPull), typeof(ImageUnused), typeof(FetchDue)], (await Facts(host, image)).Select(fact => fact.GetType()));
    }

    [Fact]
    public async Task A_failed_copy_is_announced_again_at_its_time_and_an_eviction_that_nobody_finished_too()
    {
        await using var host = await Start();
        var now = time.GetUtcNow();
        await Append(host, "failed:1", new RequestedByPull("failed:1", now), new ImageFetchFailed("failed:1", "unreachable", "no answer", true, now.AddHours(1), now));
        await Append(host, "leaving:1", new RequestedByPull("leaving:1", now), new ImageExpired("leaving:1", now), new ImageEvictionStarted("leaving:1", "fetcher-0", now.AddMinutes(2), now));
        time.Advance(TimeSpan.FromMinutes(59));
        await Eventually.True(async () => await FindImages.Overdue(host.Postgres, time.GetUtcNow(), Settings.RequestLease, Any) is ["leaving:1"], "only the eviction is due");

        await Replica(host).Sweep(Any);
        time.Advance(TimeSpan.FromMinutes(1));
        await Replica(host).Sweep(Any);

        Assert.Equal(new EvictionDue("leaving:1", now, now.AddMinutes(59)), (await Facts(host, "leaving:1"))[^1]);
        Assert.Equal(new FetchDue("failed:1", now, now.AddHours(1)), (await Facts(host, "failed:1"))[^1]);
    }

    [Fact]
    public async Task The_service_notes_an_image_as_soon_as_its_last_pod_is_gone_and_proposes_it_when_its_delay_has_passed()
    {
        var rabbit = await (await RabbitMq.Shared()).NewVirtualHost();
        var postgres = await (await Postgres.Shared()).NewDatabase();
        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));
        await using var expiry = await LogHost.Start("expiry", postgres, FindImages.Configure, builder =>
        {
            builder.Configuration["ConnectionStrings:RabbitMq"] = rabbit;
            builder.AddKuikBus(bus => bus.AddConsumer<NoteUnused>());
            AddExpiry(builder, new ExpirySettings(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10), TimeSpan.FromMilliseconds(200)));
        });
        await Append(expiry, Nginx, new RequestedByPod(Nginx, "nginx:1.27", "uid", time.GetUtcNow()), Cached());

        await expiry.Transactions.Run(async transaction =>
        {
            var pod = await transaction.Read(StreamName.OfPod("uid"), 0, (count, _) => count + 1, Any);
            pod.Append(new PodGone("uid", "default", "web", [Nginx], time.GetUtcNow()));
        }, Any);

        await Eventually.True(async () => (await Facts(expiry, Nginx)).OfType<ExpiryProposed>().Any(), "its expiry is proposed");
        Assert.Single((await Facts(expiry, Nginx)).OfType<ImageUnused>());
        Assert.Single((await Facts(expiry, Nginx)).OfType<ExpiryProposed>());
    }

    private static void AddExpiry(WebApplicationBuilder builder, ExpirySettings settings) =>
        builder.Services.AddSingleton(settings).AddSingleton<NoteUnused>().AddSingleton<ProposeExpiry>().AddSingleton<AnnounceAgain>().AddHostedService<SweepImages>();

    /// <summary>The event log with expiry's projection; the test sweeps.</summary>
    private static async Task<LogHost> Start() => await LogHost.Start("expiry", await (await Postgres.Shared()).NewDatabase(), FindImages.Configure);

    private NoteUnused Noting(LogHost host) => new(host.Transactions, Settings, time);

    private SweepImages Replica(LogHost host) => new(
        Noting(host), new ProposeExpiry(host.Transactions, Settings, time), new AnnounceAgain(host.Transactions, Settings, time),
        host.Postgres, host.Services.GetRequiredService<Leadership>(), host.Services.GetRequiredService<EventLogReady>(), Settings, time, NullLogger<SweepImages>.Instance);

    /// <summary>Sweeps, twice in a row each time, until what expiry has written is this: the projection is a moment behind the log.</summary>
    private async Task SweepUntil(LogHost host, Type[] written) => await Eventually.True(async () =>
    {
        await Replica(host).Sweep(Any);
        await Replica(host).Sweep(Any);
        return (await Facts(host, Nginx)).Skip(2).Select(fact => fact.GetType()).SequenceEqual(written);
    }, "expiry has written " + string.Join(", ", written.Select(type => type.Name)));

    private static Task Append(LogHost host, string image, params object[] facts) => host.Transactions.Run(async transaction =>
    {
        var stream = await transaction.Read(StreamName.OfImage(image), 0, (count, _) => count + 1, Any);
        foreach (var fact in facts)
            stream.Append(fact);
    }, Any);

    private static Task<IReadOnlyList<object>> Facts(LogHost host, string image) => host.Transactions.Run(async transaction =>
        (await transaction.Read<IReadOnlyList<object>>(StreamName.OfImage(image), [], (facts, fact) => [.. facts, fact], Any)).State, Any);

    private ImageCached Cached() =>
        new(Nginx, "sha256:" + new string('a', 64), "application/vnd.oci.image.manifest.v1+json", [], [], 10, 10, 0, TimeSpan.FromSeconds(1), time.GetUtcNow());
}
