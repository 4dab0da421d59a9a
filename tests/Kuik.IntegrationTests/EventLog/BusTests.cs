using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Testing;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Messages that cannot be handled.</summary>
public class BusTests
{
    [Fact]
    public async Task A_message_that_fails_with_an_exception_of_Postgres_is_tried_four_times_and_discarded_with_one_line_that_names_the_cause()
    {
        var (host, rabbit) = await Start(new NpgsqlException("Exception while reading", new PostgresException(
            "cannot execute INSERT in a read-only transaction", "ERROR", "ERROR", PostgresErrorCodes.ReadOnlySqlTransaction)));
        await using var _ = host;

        await host.AppendRequest("nginx:1");

        await Eventually.True(() => Lines(host).Length > 0, "it is in the log");
        Assert.Equal(
            "Warning Kuik.EventLog.DiscardedMessageLog: A message of kuik-fails about nginx:1 is discarded, its work is announced again: "
            + "Postgres fails (cannot execute INSERT in a read-only transaction) ", Assert.Single(Lines(host)));
        Assert.Equal(4, host.Services.GetRequiredService<Failure>().Runs);
        await Eventually.True(async () => (await Queue(rabbit)).Contains("\"messages\":0", StringComparison.Ordinal), "the queue is empty");
        Assert.Equal(["kuik-fails"], await Queues(rabbit));
    }

    [Fact]
    public async Task A_message_that_fails_for_another_reason_is_discarded_with_that_exception()
    {
        var (host, rabbit) = await Start(new InvalidOperationException("it never works"));
        await using var _ = host;

        await host.AppendRequest("nginx:1");

        await Eventually.True(() => Lines(host).Length > 0, "it is in the log");
        var line = Assert.Single(Lines(host));
        Assert.Contains("A message of kuik-fails about nginx:1 is discarded", line, StringComparison.Ordinal);
        Assert.Contains("InvalidOperationException: it never works", line, StringComparison.Ordinal);
        Assert.DoesNotContain(host.Log, other => other.Split(' ')[1].StartsWith("MassTransit", StringComparison.Ordinal));
        Assert.Equal(["kuik-fails"], await Queues(rabbit));
    }

    [Fact]
    public async Task A_message_that_no_consumer_handles_any_more_leaves_nothing_behind()
    {
        var (host, rabbit) = await Start(null);
        await using var _ = host;
        var bus = host.Services.GetRequiredService<IBus>();
        var queue = await bus.GetSendEndpoint(new Uri("queue:kuik-fails"));

        await queue.Send(new ImageForgotten("nginx:1", DateTimeOffset.UtcNow));
        await queue.Send(new RequestedByPull("nginx:1", DateTimeOffset.UtcNow));

        await Eventually.True(() => host.Services.GetRequiredService<Failure>().Runs == 1, "the next one is handled");
        Assert.Equal(["kuik-fails"], await Queues(rabbit));
    }

    private static async Task<(LogHost Host, string Rabbit)> Start(Exception? exception)
    {
        var rabbit = await (await RabbitMq.Shared()).NewVirtualHost();
        var host = await LogHost.Start("test", await MigratedDatabase.New(), add: builder =>
        {
            builder.Configuration["ConnectionStrings:RabbitMq"] = rabbit;
            builder.Services.AddSingleton(new Failure(exception));
            builder.AddKuikBus(bus => bus.AddConsumer<Fails>());
            builder.AddKuikRelay();
        });
        await Eventually.True(async () => (await host.Ready()).Body.Contains("masstransit-bus: Healthy", StringComparison.Ordinal),
            "it has the bus");
        return (host, rabbit);
    }

    private static string[] Lines(LogHost host) => [.. host.Log.Where(line => line.Contains(" is discarded", StringComparison.Ordinal))];

    private static async Task<IReadOnlyList<string>> Queues(string rabbit)
    {
        using var queues = System.Text.Json.JsonDocument.Parse(await Ask(rabbit, ""));
        return [.. queues.RootElement.EnumerateArray().Select(queue => queue.GetProperty("name").GetString()!)
            .Where(name => !name.Contains("_bus_", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
    }

    private static Task<string> Queue(string rabbit) => Ask(rabbit, "/kuik-fails");

    private static async Task<string> Ask(string rabbit, string path) =>
        await RunTool.Run("curl",
            ["-sf", new Uri((await RabbitMq.Shared()).Management, $"api/queues/{new Uri(rabbit).AbsolutePath[1..]}{path}").ToString()]);

    /// <summary>The consumer's exception; null for none.</summary>
    internal sealed class Failure(Exception? exception)
    {
        private int _runs;

        public int Runs => _runs;

        public void Throw()
        {
            Interlocked.Increment(ref _runs);
            if (exception is not null)
                throw exception;
        }
    }

    internal sealed class Fails(Failure failure) : IConsumer<RequestedByPull>
    {
        public Task Consume(ConsumeContext<RequestedByPull> context)
        {
            failure.Throw();
            return Task.CompletedTask;
        }
    }
}
