using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Hosting;
using Marten;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>A service as any of ours is: event log, and what else a test gives it. Its log lines are kept.</summary>
internal sealed class LogHost : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromMinutes(2);

    private readonly WebApplication app;
    private readonly KeptLog log;

    private LogHost(WebApplication app, KeptLog log) => (this.app, this.log) = (app, log);

    public EventLogTransactions Transactions => app.Services.GetRequiredService<EventLogTransactions>();

    public NpgsqlDataSource Postgres => app.Services.GetRequiredService<NpgsqlDataSource>();

    public IReadOnlyCollection<string> Log => log.Lines;

    public IServiceProvider Services => app.Services;

    /// <param name="service">Replicas have the same name.</param>
    /// <param name="postgres">Its connection string.</param>
    /// <param name="configure">Its documents and projections.</param>
    /// <param name="add">Bus, relay and whatever else.</param>
    /// <param name="isMigrated">False to leave the database as it is; otherwise it gets its tables first.</param>
    public static async Task<LogHost> Start(
        string service, string postgres, Action<StoreOptions>? configure = null, Action<WebApplicationBuilder>? add = null,
        bool isMigrated = true)
    {
        if (isMigrated)
            await MigratedDatabase.Ensure(postgres);
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Configuration["ConnectionStrings:Postgres"] = postgres;
        builder.AddKuikDefaults(service);
        builder.AddKuikEventLog(service, configure);
        add?.Invoke(builder);
        var log = new KeptLog();
        builder.Logging.ClearProviders().AddProvider(log);
        var app = builder.Build();
        app.MapKuikHealth();
        await app.StartAsync();
        return new LogHost(app, log);
    }

    /// <summary>Adds the bus with a consumer that keeps every message.</summary>
    public static Action<WebApplicationBuilder> Listening(string rabbit, Inbox inbox) => builder =>
    {
        builder.Configuration["ConnectionStrings:RabbitMq"] = rabbit;
        builder.Services.AddSingleton(inbox);
        builder.AddKuikBus(bus => bus.AddConsumer<Collect>());
    };

    /// <summary>Adds the bus and the relay.</summary>
    public static Action<WebApplicationBuilder> Relaying(string rabbit) => builder =>
    {
        builder.Configuration["ConnectionStrings:RabbitMq"] = rabbit;
        builder.AddKuikBus();
        builder.AddKuikRelay();
    };

    /// <summary>Appends one request for an image that has none yet, in its own stream.</summary>
    public Task AppendRequest(string image) => Transactions.Execute(async transaction =>
    {
        var stream = await transaction.ReadImage(image, CancellationToken.None);
        stream.Append(new RequestedByPull(image, DateTimeOffset.UtcNow));
    }, CancellationToken.None);

    /// <summary>The response of <c>/readyz</c>: status code and body.</summary>
    public async Task<(int Status, string Body)> Ready()
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri(app.Urls.First() + "/readyz"));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>What <c>/metrics</c> answers.</summary>
    public async Task<string> Metrics()
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(app.Urls.First() + "/metrics"));
    }

    public async Task<T> Ask<T>(string sql)
    {
        await using var command = Postgres.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>For what returns nothing.</summary>
    public async Task Execute(string sql)
    {
        await using var command = Postgres.CreateCommand(sql);
        command.CommandTimeout = 300;
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        // A host that does not stop fails its test; without a limit it would hold up the whole run.
        await app.StopAsync().WaitAsync(StopLimit);
        await app.DisposeAsync().AsTask().WaitAsync(StopLimit);
    }
}

/// <summary>The messages on the bus, in order of arrival.</summary>
internal sealed class Inbox
{
    public ConcurrentQueue<Received> Messages { get; } = new();

    /// <summary>The images that were requested, in order of first arrival.</summary>
    public IReadOnlyList<string> Requested =>
        [.. Messages.Select(message => message.Fact).OfType<RequestedByPull>().Select(fact => fact.Image).Distinct()];
}

internal sealed record Received(Guid Id, string Stream, long Version, object Fact)
{
    /// <summary>As text.</summary>
    public IReadOnlyDictionary<string, string?> Headers { get; init; } = new Dictionary<string, string?>();
}

internal sealed class Collect(Inbox inbox) : IConsumer<RequestedByPull>, IConsumer<PodObserved>, IConsumer<PodGone>, IConsumer<ImageCached>
{
    public Task Consume(ConsumeContext<RequestedByPull> context) => Keep(context);

    public Task Consume(ConsumeContext<PodObserved> context) => Keep(context);

    public Task Consume(ConsumeContext<PodGone> context) => Keep(context);

    public Task Consume(ConsumeContext<ImageCached> context) => Keep(context);

    private Task Keep<T>(ConsumeContext<T> context) where T : class
    {
        inbox.Messages.Enqueue(new Received(
            context.MessageId!.Value, context.Headers.Get<string>("kuik-stream")!, context.Headers.Get<long>("kuik-version")!.Value,
            context.Message)
        {
            Headers = context.Headers.GetAll().ToDictionary(header => header.Key, header => header.Value?.ToString()),
        });
        return Task.CompletedTask;
    }
}

/// <summary>Keeps what a service would print: one entry, one line.</summary>
internal sealed class KeptLog : ILoggerProvider
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, Lines);

    public void Dispose()
    {
    }

    private sealed class Logger(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            lines.Enqueue($"{logLevel} {category}: {formatter(state, null)} {exception}");
    }
}
