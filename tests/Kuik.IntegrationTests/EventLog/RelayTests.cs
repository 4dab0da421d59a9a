using System.Diagnostics;
using Kuik.Contracts;
using Kuik.Testing;
using Marten;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

public class RelayTests
{
    private static readonly CancellationToken Any = CancellationToken.None;

    [Fact]
    public async Task Every_event_arrives_as_a_message_of_its_own_type_with_its_id_and_in_its_streams_order()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));
        var image = "docker.io/library/nginx:1";

        foreach (var _ in Enumerable.Range(0, 3))
            await listener.AppendRequest(image);

        await Eventually.True(() => inbox.Messages.Count >= 3, "three messages arrived");
        var stored = await Stored(listener);
        Assert.Equal(stored,
            inbox.Messages.OrderBy(message => message.Version).Select(message => (message.Id, message.Stream, message.Version)));
        Assert.All(inbox.Messages, message => Assert.Equal(image, Assert.IsType<RequestedByPull>(message.Fact).Image));
    }

    [Fact]
    public async Task An_event_and_its_message_say_which_process_of_which_version_wrote_them_and_in_which_trace()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));
        await Eventually.True(async () => (await relay.Ready()).Body.Contains("masstransit-bus: Healthy", StringComparison.Ordinal),
            "it has the bus");
        using var activity = new Activity("a request").SetIdFormat(ActivityIdFormat.W3C).Start();

        await listener.AppendRequest("nginx:1");

        await Eventually.True(() => !inbox.Messages.IsEmpty, "the message arrived");
        var headers = inbox.Messages.First().Headers;
        Assert.Equal(("listener", activity.Id), (headers["kuik-service"], headers["traceparent"]));
        Assert.StartsWith(Environment.MachineName + "-", headers["kuik-replica"], StringComparison.Ordinal);
        Assert.NotEmpty(headers["kuik-writer-version"]!);
        Assert.Equal(
            $"listener {headers["kuik-replica"]} {headers["kuik-writer-version"]} {activity.Id}",
            await listener.Ask<string>(
                "select concat_ws(' ', headers->>'service', headers->>'replica', headers->>'version', headers->>'traceparent') from "
                    + "kuik.mt_events"));
    }

    [Fact]
    public async Task What_was_appended_while_the_relay_was_down_arrives_when_it_is_back()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await using (await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit)))
        {
            await listener.AppendRequest("a:1");
            await Eventually.True(() => inbox.Requested.Contains("a:1"), "the first arrived");
        }

        await listener.AppendRequest("b:1");
        await using var again = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));

        await Eventually.True(() => inbox.Requested.Contains("b:1"), "the second arrived");
    }

    [Fact]
    public async Task An_event_without_a_time_does_not_stop_the_relay()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await listener.AppendRequest("a:1");
        await listener.Ask<string>("update kuik.mt_events set timestamp = '-infinity' returning type");
        await listener.AppendRequest("b:1");

        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));

        await Eventually.True(() => inbox.Requested.Contains("b:1"), "the event after it arrived");
    }

    [Fact]
    public async Task A_pod_that_lived_for_a_moment_while_the_relay_was_down_arrives_whole_even_when_its_stream_is_archived()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        var now = DateTimeOffset.UtcNow;
        await listener.Transactions.Execute(async transaction =>
        {
            var pod = await transaction.Read(StreamName.OfPod("uid"), 0, (count, _) => count + 1, Any);
            pod.Append(new PodObserved("uid", "default", "short", [new("c", "a:1", "a:1")], [], now));
            pod.Append(new PodGone("uid", "default", "short", ["a:1"], now));
        }, Any);
        await using (var session = listener.Services.GetRequiredService<IDocumentStore>().LightweightSession())
        {
            session.Events.ArchiveStream(StreamName.OfPod("uid"));
            await session.SaveChangesAsync(Any);
        }

        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));

        await Eventually.True(() => inbox.Messages.Count >= 2, "both events of the pod arrived");
        Assert.Equal([typeof(PodObserved), typeof(PodGone)],
            inbox.Messages.OrderBy(message => message.Version).Select(message => message.Fact.GetType()));
    }

    [Fact]
    public async Task While_the_broker_is_away_publishing_is_given_up_and_tried_again_and_everything_arrives_when_it_is_back()
    {
        var postgres = await (await Postgres.Shared()).NewDatabase();
        var broker = await RabbitMq.StartOwn();
        var rabbit = await broker.NewVirtualHost();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await using var relay = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit));
        await listener.AppendRequest("before:1");
        await Eventually.True(() => inbox.Requested.Contains("before:1"), "the first arrived");

        await broker.Stop();
        var whileAway = Enumerable.Range(0, 20).Select(i => $"away:{i}").ToList();
        foreach (var image in whileAway)
            await listener.AppendRequest(image);
        await Eventually.True(async () => await relay.Ready() is (200, var body)
            && body.Contains("relay:All stopped at event 1", StringComparison.Ordinal),
            "the relay has given up its publish and says so, degraded");
        await broker.Start();

        await Eventually.True(() => whileAway.All(inbox.Requested.Contains), "everything arrived", TimeSpan.FromSeconds(120));
        await Eventually.True(async () => (await relay.Ready()).Body.Contains("projections: Healthy", StringComparison.Ordinal),
            "the relay is well again");
        Assert.Single(listener.Log,
            line => line.Contains("RabbitMQ at", StringComparison.Ordinal) && line.Contains("does not answer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_event_of_a_type_that_this_version_does_not_know_stops_the_relay_and_a_version_that_knows_it_goes_on()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        await listener.AppendRequest("before:1");
        await listener.AppendRequest("unknown:1");
        await listener.AppendRequest("after:1");
        await listener.Ask<object>(
            "update kuik.mt_events set type = 'ImageDreamt', mt_dotnet_type = 'Kuik.Contracts.ImageDreamt, Kuik.Contracts' where stream_id "
                + "= 'image/unknown:1' returning 1");

        await using (var old = await LogHost.Start("relay", postgres, add: LogHost.Relaying(rabbit)))
        {
            await Eventually.True(async () => await old.Ready() is (503, var body)
                && body.Contains("ImageDreamt", StringComparison.Ordinal), "it is not ready and names the event");
            Assert.Matches("kuik_event_log_stopped\\{.*reason=\"event\".*shard=\"relay:All\".*\\} 1", await old.Metrics());
            Assert.DoesNotContain("after:1", inbox.Requested);
        }
        await using var newer = await LogHost.Start("relay", postgres, options => options.Events.MapEventType<ImageDreamt>("ImageDreamt"),
            LogHost.Relaying(rabbit));

        await Eventually.True(() => inbox.Requested.Contains("after:1"), "the newer version went on");
        Assert.Contains("before:1", inbox.Requested);
        await Eventually.True(async () =>
            await newer.Ask<long>("select last_seq_id from kuik.mt_event_progression where name = 'relay:All'") >= 3,
            "it is past all three");
    }

    [Fact]
    public async Task When_the_leading_relay_is_killed_the_other_goes_on_and_nothing_is_lost()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        var replicas = new[] { StartRelayProcess("relay-a", postgres, rabbit), StartRelayProcess("relay-b", postgres, rabbit) };
        await listener.AppendRequest("first:1");
        await Eventually.True(() => inbox.Requested.Contains("first:1"), "one of them relays");
        var leader = await LeaderAmong(listener, replicas);

        var images = Enumerable.Range(0, 400).Select(i => $"image:{i}").ToList();
        foreach (var image in images.Take(200))
            await listener.AppendRequest(image);
        leader.Kill();
        foreach (var image in images.Skip(200))
            await listener.AppendRequest(image);

        await Eventually.True(() => images.All(inbox.Requested.Contains), "everything arrived");
        foreach (var replica in replicas)
            replica.Kill();
        Assert.Equal(401, inbox.Messages.Select(message => message.Id).Distinct().Count());
    }

    [Fact]
    public async Task A_relay_killed_again_and_again_in_the_middle_of_its_work_publishes_every_event_at_last()
    {
        var (postgres, rabbit) = await Servers();
        var inbox = new Inbox();
        await using var listener = await LogHost.Start("listener", postgres, add: LogHost.Listening(rabbit, inbox));
        var images = Enumerable.Range(0, 1500).Select(i => $"image:{i}").ToList();
        foreach (var some in images.Chunk(50))
            await Task.WhenAll(some.Select(listener.AppendRequest));

        foreach (var seen in new[] { 1, 300, 600 })
        {
            var relay = StartRelayProcess($"killed-at-{seen}", postgres, rabbit);
            await Eventually.True(() => inbox.Requested.Count >= seen, $"{seen} arrived");
            relay.Kill();
        }
        var last = StartRelayProcess("last", postgres, rabbit);

        await Eventually.True(() => inbox.Requested.Count == images.Count, "everything arrived");
        last.Kill();
        Assert.Equal(images.Order(), inbox.Requested.Order());
    }

    private static async Task<(string Postgres, string Rabbit)> Servers() =>
        (await (await Postgres.Shared()).NewDatabase(), await (await RabbitMq.Shared()).NewVirtualHost());

    private static async Task<IReadOnlyList<(Guid, string, long)>> Stored(LogHost host)
    {
        await using var command = host.Postgres.CreateCommand("select id, stream_id, version from kuik.mt_events order by seq_id");
        await using var rows = await command.ExecuteReaderAsync();
        var stored = new List<(Guid, string, long)>();
        while (await rows.ReadAsync())
            stored.Add((rows.GetGuid(0), rows.GetString(1), rows.GetInt64(2)));
        return stored;
    }

    /// <summary>The relay as a process of its own (Kuik.RelayHost), to be killed. Its sessions carry its name.</summary>
    internal static ServerProcess StartRelayProcess(string name, string postgres, string rabbit) =>
        ServerProcess.Start(Sandbox.Shared, name, Sandbox.Shared.NewFolder(name),
            new ServerCommand(Path.Combine(AppContext.BaseDirectory, "Kuik.RelayHost"))
            {
                Environment =
            {
                ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
                ["ConnectionStrings__Postgres"] = new NpgsqlConnectionStringBuilder(postgres) { ApplicationName = name }.ConnectionString,
                ["ConnectionStrings__RabbitMq"] = rabbit,
            },
            });

    private static async Task<ServerProcess> LeaderAmong(LogHost host, ServerProcess[] replicas)
    {
        var name = await host.Ask<string>("""
            select a.application_name from pg_locks l join pg_stat_activity a on a.pid = l.pid
            where l.locktype = 'advisory' and l.granted and a.application_name like 'relay-%' and a.datname = current_database() and l.objsubid = 1
            """);
        return replicas.Single(replica => replica.Name == name);
    }

    /// <summary>An event that only a newer version knows.</summary>
    internal sealed record ImageDreamt(string Image, DateTimeOffset RequestedAt);
}
