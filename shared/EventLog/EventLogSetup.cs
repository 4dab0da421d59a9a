using JasperFx;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using Kuik.Hosting;
using Marten;
using Marten.Events.Daemon.Coordination;
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
    /// <summary>The schema that holds everything of ours.</summary>
    public const string Schema = "kuik";

    /// <summary>
    /// Adds the event log. Injects <see cref="EventLogTransactions"/> to decide and append, <see cref="NpgsqlDataSource"/> to read the usage
    /// table, <see cref="IDocumentStore"/> to query documents, <see cref="EventLogReady"/> to wait for Postgres.
    /// The tables are made at the start; while Postgres does not answer the service runs, waits, and is not ready.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="service">Its name; recorded in the header <c>service</c> of every event that it appends.</param>
    /// <param name="configure">The service's own documents and projections: <c>options.Projections.Add(new …, ProjectionLifecycle.Async)</c>. An async one
    /// runs in one replica at a time, and sees archived streams only with <c>IncludeArchivedEvents</c>. Null for none.</param>
    /// <param name="whenUnreachable">What <c>/readyz</c> says while Postgres does not answer. <see cref="HealthStatus.Degraded"/> for a service that
    /// has something to do without it.</param>
    /// <exception cref="WrongSetting">The connection string is missing or cannot be read.</exception>
    public static WebApplicationBuilder AddKuikEventLog(
        this WebApplicationBuilder builder, string service, Action<StoreOptions>? configure = null, HealthStatus whenUnreachable = HealthStatus.Unhealthy)
    {
        var postgres = ReadConnectionString(builder.Configuration);
        // Marten logs every lost race as an error; we decide again and say nothing.
        builder.Logging.AddFilter("Marten", LogLevel.Warning).AddFilter("Marten.IDocumentStore", LogLevel.None);

        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(postgres));
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
            services.GetRequiredService<IDocumentStore>(), services.GetRequiredService<NpgsqlDataSource>(), services.GetRequiredService<EventLogReady>(), service));
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<ProjectionCoordinator>();
        builder.Services.AddHostedService<PrepareEventLog>();
        builder.Services.AddHealthChecks().AddCheck<PostgresHealth>("postgres", whenUnreachable, timeout: TimeSpan.FromSeconds(5));
        return builder;
    }

    /// <summary>What every service must agree on, so that they can share one log.</summary>
    internal static void Configure(StoreOptions options)
    {
        options.DatabaseSchemaName = Schema;
        options.AutoCreateSchemaObjects = AutoCreate.None;   // PrepareEventLog makes them, before anything uses them
        options.UseSystemTextJsonForSerialization(EnumStorage.AsString, Casing.CamelCase);
        options.Storage.ExtendedSchemaObjects.Add(ImageUsers.Table());

        options.Events.StreamIdentity = StreamIdentity.AsString;
        options.Events.AppendMode = EventAppendMode.Quick;
        options.Events.UseExclusiveLockOnConcurrentAppends = true;   // a lost race then burns no sequence number, which the daemon would wait for
        options.Events.MetadataConfig.EnableAll();
        foreach (var type in EventTypes.All)
            options.Events.MapEventType(type, type.Name);

        // Facts are never skipped: Marten's defaults would drop what cannot be read or applied without a word.
        foreach (var errors in new[] { options.Projections.Errors, options.Projections.RebuildErrors })
            errors.SkipApplyErrors = errors.SkipSerializationErrors = errors.SkipUnknownEvents = false;

        options.Projections.AsyncMode = DaemonMode.HotCold;
        options.Events.UseListenNotifyForEventAppends = true;
        options.Events.UseAdvisoryLockTransaction = true;   // see Directory.Packages.props: without it no replica ever leads
        options.Projections.StaleSequenceThreshold = TimeSpan.FromMilliseconds(100);
    }

    /// <summary>The connection string, with what the event log relies on added where the user has not decided otherwise.</summary>
    internal static string ReadConnectionString(IConfiguration configuration)
    {
        const string Key = "ConnectionStrings:Postgres";
        const string Accepted = "a Postgres connection string such as Host=postgres;Database=kuik;Username=kuik;Password=…";
        var text = configuration[Key];
        if (string.IsNullOrWhiteSpace(text))
            throw new WrongSetting(Key, text, Accepted);
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(text);
            if (string.IsNullOrEmpty(connection.Host))
                throw new WrongSetting(Key, "(hidden)", Accepted);
            if (!connection.ContainsKey("Max Auto Prepare"))
                connection.MaxAutoPrepare = 100;
            // Without it, Postgres does not notice for a minute that a replica which held the lead is gone.
            if (connection.Options?.Contains("client_connection_check_interval", StringComparison.Ordinal) != true)
                connection.Options = $"{connection.Options} -c client_connection_check_interval=1000".Trim();
            return connection.ConnectionString;
        }
        catch (ArgumentException)
        {
            throw new WrongSetting(Key, "(hidden, it holds a password)", Accepted);
        }
    }
}
