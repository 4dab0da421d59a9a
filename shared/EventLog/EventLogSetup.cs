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
    /// <summary>Server options of our sessions, in Postgres' units (milliseconds and seconds), unless the user sets them.</summary>
    private static readonly (string Option, string Value)[] ServerOptions =
    [
        // A process that is gone loses its locks: at once when it ends, after 25 seconds when its machine does.
        ("client_connection_check_interval", "1000"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // No decision takes that long between two statements; a frozen process loses its transaction and cannot commit later.
        ("idle_in_transaction_session_timeout", "30000"),
    ];

    /// <summary>The schema of all of Kuik's tables.</summary>
    public const string Schema = "kuik";

    /// <summary>
    /// Adds the event log. Registers <see cref="EventLogTransactions"/> to decide and append, <see cref="NpgsqlDataSource"/> to read the
    /// usage table, <see cref="IDocumentStore"/> to query documents, <see cref="EventLogReady"/> to wait for Postgres. The tables are
    /// created by <c>pod-watcher migrate</c> (<see cref="SchemaMigrator"/>); until they exist, and while Postgres does not answer, the
    /// service runs, waits, and is not ready.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="service">Its name; recorded in the header <c>service</c> of every event that it appends, with <c>replica</c>,
    /// <c>version</c> and, where there is one, <c>traceparent</c>.</param>
    /// <param name="configure">The service's own documents and projections: <c>options.Projections.Add(new …,
    /// ProjectionLifecycle.Async)</c>. An async one runs in one replica at a time, and sees archived streams only with
    /// <c>IncludeArchivedEvents</c>. Null for none.</param>
    /// <param name="whenUnreachable">The status in <c>/readyz</c> while Postgres does not answer. <see cref="HealthStatus.Degraded"/> for a
    /// service that has work without it.</param>
    /// <exception cref="InvalidSettingException">The connection string is missing or invalid.</exception>
    public static WebApplicationBuilder AddKuikEventLog(
        this WebApplicationBuilder builder, string service, Action<StoreOptions>? configure = null,
        HealthStatus whenUnreachable = HealthStatus.Unhealthy)
    {
        var postgres = ReadConnectionString(builder.Configuration);
        var scheduling = SchedulingOptions.From(builder.Configuration);
        builder.Services.AddSingleton(scheduling);
        // Marten logs every conflict as an error, and its daemon each attempt while it waits: ProjectionDaemon logs the relevant part,
        // once. Logging:LogLevel:Marten.Daemon=Information in the settings enables it again.
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

    /// <summary>The options of Marten that all services must have in common to share one log.</summary>
    internal static void Configure(StoreOptions options)
    {
        options.DatabaseSchemaName = Schema;
        options.AutoCreateSchemaObjects = AutoCreate.None;   // SchemaMigrator creates them
        options.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.CamelCase);
        // No retries below this layer. In an open transaction a repeated statement meets the aborted transaction, and that error (25P02)
        // hides the first one; EventLogTransactions decides again, and ProjectionDaemon restarts failed shards.
        options.ConfigurePolly(_ => { });
        options.ConfigureWritePolly(_ => { });
        options.Storage.ExtendedSchemaObjects.Add(ImageUsers.Table());
        options.Storage.ExtendedSchemaObjects.Add(RunningDigests.Table());
        options.Storage.ExtendedSchemaObjects.Add(PendingSweeps.Table());
        options.Storage.ExtendedSchemaObjects.Add(ImageStates.Table());
        options.Storage.ExtendedSchemaObjects.Add(WorkTable.Table());
        options.Storage.ExtendedSchemaObjects.Add(RepositoryConfigurations.Table());
        options.Storage.ExtendedSchemaObjects.Add(ImagePulls.Table());
        options.Storage.ExtendedSchemaObjects.Add(Rebuilds.Table());
        options.Storage.ExtendedSchemaObjects.Add(LogRetentionTable.Table());
        options.Storage.ExtendedSchemaObjects.Add(HashChain.Table());

        options.Events.StreamIdentity = StreamIdentity.AsString;
        options.Events.AppendMode = EventAppendMode.Quick;
        // A conflict then uses up no sequence number, which the daemon would wait for.
        options.Events.UseExclusiveLockOnConcurrentAppends = true;
        options.Events.MetadataConfig.EnableAll();
        foreach (var type in EventTypes.All)
            options.Events.MapEventType(type, type.Name);

        options.Projections.Add(new ImageUsersProjection(), ProjectionLifecycle.Inline);

        // Events are never skipped: Marten's defaults would silently drop events that cannot be read or applied.
        foreach (var errors in new[] { options.Projections.Errors, options.Projections.RebuildErrors })
            errors.SkipApplyErrors = errors.SkipSerializationErrors = errors.SkipUnknownEvents = false;

        // A gap in the sequence is a conflict, or an append that is about to commit. The daemon checks the gap after the threshold and
        // skips it only when no live transaction could fill it. Transactions of Kuik take seconds (see ReadConnectionString); a transaction
        // that is open after the second limit is not an append but, for example, a backup. See docs/decisions/0002-relay-and-high-water.md.
        options.Projections.StaleSequenceThreshold = TimeSpan.FromMilliseconds(100);
        options.Projections.SkipStaleGapsDespiteLiveTransactionsAfter = TimeSpan.FromMinutes(5);
        options.Projections.AsyncMode = DaemonMode.HotCold;   // ProjectionDaemon starts the daemon; this only declares one
        options.Events.UseListenNotifyForEventAppends = true;
    }

    /// <summary>The connection string, with the options that the event log needs, unless the user sets them.</summary>
    public static string ReadConnectionString(IConfiguration configuration)
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
            // Npgsql's own ContainsKey is true for every keyword that it knows.
            var given = new DbConnectionStringBuilder
            { ConnectionString = text }.Keys.Cast<string>().Select(key => key.Replace(" ", "", StringComparison.Ordinal));
            if (!given.Contains("MaxAutoPrepare", StringComparer.OrdinalIgnoreCase))
                connection.MaxAutoPrepare = 100;
            // Marten writes now() at time zone 'utc' into a timestamptz, which is right only in a session with the
            // zone UTC. Users cannot change it.
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
