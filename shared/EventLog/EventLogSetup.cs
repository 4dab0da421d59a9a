using System.Data.Common;
using JasperFx;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Kuik.Hosting;
using Marten;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Npgsql;
using Weasel.Core;

namespace Kuik.EventLog;

/// <summary>The event log: Marten on the Postgres of <c>ConnectionStrings:Postgres</c>, schema <c>kuik</c>.</summary>
public static class EventLogSetup
{
    /// <summary>What we ask of the server for our sessions, in milliseconds and seconds as Postgres has it, where the user has not decided otherwise.</summary>
    private static readonly (string Option, string Value)[] ServerOptions =
    [
        // A process that is gone loses its locks: at once when it ends, after 25 seconds when its machine does.
        ("client_connection_check_interval", "1000"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // No decision takes that long between two statements; one whose process is frozen ends and cannot commit later.
        ("idle_in_transaction_session_timeout", "30000"),
    ];

    /// <summary>The schema that holds everything of ours.</summary>
    public const string Schema = "kuik";

    /// <summary>
    /// Adds the event log. Injects <see cref="EventLogTransactions"/> to decide and append, <see cref="NpgsqlDataSource"/> to read the usage
    /// table, <see cref="IDocumentStore"/> to query documents, <see cref="EventLogReady"/> to wait for Postgres.
    /// The tables are made by <c>pod-watcher migrate</c> (<see cref="SchemaMigrator"/>); until they are there, and while Postgres does not answer, the
    /// service runs, waits, and is not ready.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="service">Its name; recorded in the header <c>service</c> of every event that it appends, with <c>replica</c>, <c>version</c> and,
    /// where there is one, <c>traceparent</c>.</param>
    /// <param name="configure">The service's own documents and projections: <c>options.Projections.Add(new …, ProjectionLifecycle.Async)</c>. An async one
    /// runs in one replica at a time, and sees archived streams only with <c>IncludeArchivedEvents</c>. Null for none.</param>
    /// <param name="whenUnreachable">What <c>/readyz</c> says while Postgres does not answer. <see cref="HealthStatus.Degraded"/> for a service that
    /// has something to do without it.</param>
    /// <exception cref="InvalidSettingException">The connection string is missing or cannot be read.</exception>
    public static WebApplicationBuilder AddKuikEventLog(
        this WebApplicationBuilder builder, string service, Action<StoreOptions>? configure = null, HealthStatus whenUnreachable = HealthStatus.Unhealthy)
    {
        var postgres = ReadConnectionString(builder.Configuration);
        var scheduling = SchedulingOptions.From(builder.Configuration);
        builder.Services.AddSingleton(scheduling);
        // Marten logs every lost race as an error, and its daemon each try while it waits: ProjectionDaemon says what matters, once.
        // Logging:LogLevel:Marten.Daemon=Information in the settings brings it back.
        builder.Logging.AddFilter("Marten", LogLevel.None);

        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(postgres));
        builder.Services.AddSingleton(services => new LockSession(postgres, services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton<RepositoryLocks>();
        builder.Services.AddSingleton<GarbageCollectionLease>();
        builder.Services.AddMarten(services =>
        {
            var options = new StoreOptions();
            options.Connection(services.GetRequiredService<NpgsqlDataSource>());
            Configure(options);
            configure?.Invoke(options);
            return options;
        });
        builder.Services.AddSingleton<EventLogReady>();
        builder.Services.AddSingleton(services => new EventLogTransactions(
            services.GetRequiredService<IDocumentStore>(), services.GetRequiredService<NpgsqlDataSource>(),
            services.GetRequiredService<EventLogReady>(), service)
        {
            Announcement = scheduling.Announcement,
            Availability = services.GetRequiredService<PostgresAvailability>(),
            Metrics = services.GetRequiredService<EventLogMetrics>(),
        });
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<PostgresAvailability>();
        builder.Services.AddSingleton<EventLogMetrics>();
        builder.Services.AddSingleton<SchemaMigrator>();
        builder.Services.AddHostedService<EventLogInitializer>();
        builder.Services.AddSingleton(services => new Leadership(services.GetRequiredService<NpgsqlDataSource>(), service));
        builder.Services.AddSingleton<ProjectionDaemon>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ProjectionDaemon>());
        builder.Services.AddHealthChecks()
            .AddCheck<PostgresHealth>("postgres", whenUnreachable, timeout: TimeSpan.FromSeconds(5))
            .AddCheck<ProjectionsHealth>("projections");
        return builder;
    }

    /// <summary>What every service must agree on, so that they can share one log.</summary>
    internal static void Configure(StoreOptions options)
    {
        options.DatabaseSchemaName = Schema;
        options.AutoCreateSchemaObjects = AutoCreate.None;   // SchemaMigrator makes them
        options.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.CamelCase);
        // Nothing is retried below us. In a transaction of ours a repeated statement meets the aborted transaction, and that error (25P02) hides the
        // first one; EventLogTransactions decides again, and ProjectionDaemon starts again what has failed.
        options.ConfigurePolly(_ => { });
        options.ConfigureWritePolly(_ => { });
        options.Storage.ExtendedSchemaObjects.Add(ImageUsers.Table());
        options.Storage.ExtendedSchemaObjects.Add(PendingSweeps.Table());
        options.Storage.ExtendedSchemaObjects.Add(ImageStates.Table());
        options.Storage.ExtendedSchemaObjects.Add(WorkTable.Table());

        options.Events.StreamIdentity = StreamIdentity.AsString;
        options.Events.AppendMode = EventAppendMode.Quick;
        options.Events.UseExclusiveLockOnConcurrentAppends = true;   // a lost race then burns no sequence number, which the daemon would wait for
        options.Events.MetadataConfig.EnableAll();
        foreach (var type in EventTypes.All)
            options.Events.MapEventType(type, type.Name);

        options.Projections.Add(new ImageUsersProjection(), ProjectionLifecycle.Inline);

        // Facts are never skipped: Marten's defaults would drop what cannot be read or applied without a word.
        foreach (var errors in new[] { options.Projections.Errors, options.Projections.RebuildErrors })
            errors.SkipApplyErrors = errors.SkipSerializationErrors = errors.SkipUnknownEvents = false;

        // A gap in the sequence is a lost race, or an append that is about to commit. The daemon looks at the gap after the threshold and passes
        // over it only when no transaction that could fill it is alive. A transaction of ours lives for seconds (see ReadConnectionString); after
        // the second limit what is still open is no append but, for example, somebody's backup. See docs/decisions/0002-relay-and-high-water.md.
        options.Projections.StaleSequenceThreshold = TimeSpan.FromMilliseconds(100);
        options.Projections.SkipStaleGapsDespiteLiveTransactionsAfter = TimeSpan.FromMinutes(5);
        options.Projections.AsyncMode = DaemonMode.HotCold;   // ProjectionDaemon starts the daemon; this only says that there is one
        options.Events.UseListenNotifyForEventAppends = true;
    }

    /// <summary>The connection string, with what the event log relies on added where the user has not decided otherwise.</summary>
    internal static string ReadConnectionString(IConfiguration configuration)
    {
        const string Key = "ConnectionStrings:Postgres";
        const string Accepted = "a Postgres connection string such as Host=postgres;Database=kuik;Username=kuik;Password=…";
        var text = configuration[Key];
        if (string.IsNullOrWhiteSpace(text))
            throw new InvalidSettingException(Key, text, Accepted);
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(text);
            if (string.IsNullOrEmpty(connection.Host))
                throw new InvalidSettingException(Key, "(hidden)", Accepted);
            // Npgsql's own ContainsKey is true of every keyword that it knows.
            var given = new DbConnectionStringBuilder { ConnectionString = text }.Keys.Cast<string>().Select(key => key.Replace(" ", "", StringComparison.Ordinal));
            if (!given.Contains("MaxAutoPrepare", StringComparer.OrdinalIgnoreCase))
                connection.MaxAutoPrepare = 100;
            // Marten writes now() at time zone 'utc' into a timestamptz, which is right only in a session whose zone is UTC. Not a choice of the user's.
            connection.Timezone = "UTC";
            foreach (var (option, value) in ServerOptions)
                if (connection.Options?.Contains(option, StringComparison.Ordinal) != true)
                    connection.Options = $"{connection.Options} -c {option}={value}".Trim();
            return connection.ConnectionString;
        }
        catch (ArgumentException)
        {
            throw new InvalidSettingException(Key, "(hidden, it holds a password)", Accepted);
        }
    }
}
