using Kuik.EventLog.Audit;
using Marten;
using Microsoft.Extensions.Logging;
using Npgsql;
using Weasel.Core;

namespace Kuik.EventLog;

/// <summary>
/// Creates the tables, functions and indexes of the event log that are missing, and replaces functions by those of a newer version. It
/// drops nothing, and changes nothing that a newer version has created. Repeatable; concurrent migrations run one after the other.
/// </summary>
internal sealed partial class SchemaMigrator(IDocumentStore store, NpgsqlDataSource postgres, TimeProvider time,
    ILogger<SchemaMigrator> logger)
{
    /// <summary>How long to wait for another migration.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    /// <summary>Migrates the schema.</summary>
    /// <exception cref="SchemaMigrationRefusedException">The tables cannot become those of this version by additions.</exception>
    /// <exception cref="TimeoutException">Another migration has held the lock for <see cref="LongestWait"/>.</exception>
    /// <exception cref="NpgsqlException">Postgres fails. Completed statements are kept; run it again.</exception>
    public async Task Migrate(CancellationToken ct)
    {
        await using var only = await TakeLock(ct);
        await using var connection = await postgres.OpenConnectionAsync(ct);
        // A change that waits for a lock blocks all later statements on the table.
        await Execute(connection, "set lock_timeout = '10s'; set statement_timeout = 0", ct);
        try
        {
            await Migrate(connection, ct);
        }
        finally
        {
            NpgsqlConnection.ClearPool(connection);   // its settings must not reach another user of the pool
        }
    }

    private async Task Migrate(NpgsqlConnection connection, CancellationToken ct)
    {
        var recorded = await EventLogSchema.ReadVersion(connection, ct);
        if (recorded > EventLogSchema.Version)
        {
            LogNewer(recorded, EventLogSchema.Version);
            return;
        }
        await Execute(connection, $"create schema if not exists {EventLogSetup.Schema}", ct);
        foreach (var statement in await Additions(connection, recorded < EventLogSchema.Version, ct))
            await Execute(connection, statement, ct);
        await Execute(connection, PodArchive.Index, ct);
        await Execute(connection, PodArchive.WorkloadIndex, ct);
        await Execute(connection, EventIndexes.ImagesIndex, ct);
        await Execute(connection, EventIndexes.UserNameIndex, ct);
        await Record(connection, ct);
        LogMigrated(PostgresHealth.AddressOf(postgres), recorded, EventLogSchema.Version);
    }

    /// <summary>The statements that make what is missing.</summary>
    private async Task<IReadOnlyList<string>> Additions(NpgsqlConnection connection, bool replacesFunctions, CancellationToken ct)
    {
        var database = store.Storage.Database;
        var objects = database.AllObjects().ToArray();
        foreach (var table in objects.OfType<ITable>())
            table.AddOnlyMigrations = true;
        foreach (var one in objects.OfType<ISchemaObjectWithPostProcessing>())
            one.PostProcess(objects);
        await DropInvalidIndexes(connection, ct);
        var migration = await SchemaMigration.DetermineAsync(connection, ct, objects);
        return [.. migration.Deltas.SelectMany(delta => StatementsOf(delta, database.Migrator, replacesFunctions))];
    }

    private IReadOnlyList<string> StatementsOf(ISchemaObjectDelta delta, Migrator migrator, bool replacesFunctions)
    {
        var name = delta.SchemaObject.Identifier.QualifiedName;
        using var sql = new StringWriter();
        switch (delta.Difference)
        {
            case SchemaPatchDifference.None:
                return [];
            case SchemaPatchDifference.Create:
                delta.SchemaObject.WriteCreateStatement(migrator, sql);
                return [sql.ToString()];
            case SchemaPatchDifference.Update when delta.SchemaObject is ITable:
                delta.WriteUpdate(migrator, sql);
                return TableAdditions.Read(name, sql.ToString());
            case SchemaPatchDifference.Update when replacesFunctions:
                delta.WriteUpdate(migrator, sql);
                return [sql.ToString()];
            case SchemaPatchDifference.Update:
                LogDiffers(name);
                return [];
            default:
                throw new SchemaMigrationRefusedException($"{name} is not what this version declares, and additions cannot make it so");
        }
    }

    /// <summary>
    /// Drops indexes that an interrupted concurrent creation has left: they are never used and keep their names.
    /// Only one migration runs at a time.
    /// </summary>
    private static async Task DropInvalidIndexes(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var find = new NpgsqlCommand($"""
            select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_index i
            join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
            where not i.indisvalid and n.nspname = '{EventLogSetup.Schema}'
                and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
            """, connection);
        var names = new List<string>();
        await using (var rows = await find.ExecuteReaderAsync(ct))
            while (await rows.ReadAsync(ct))
                names.Add(rows.GetString(0));
        foreach (var name in names)
            await Execute(connection, $"drop index concurrently if exists {name}", ct);
    }

    private static async Task Record(NpgsqlConnection connection, CancellationToken ct)
    {
        await Execute(connection, $"""
            create table if not exists {EventLogSchema.VersionTable} (
                version int primary key, applied_at timestamptz not null default now(), by text not null)
            """, ct);
        await using var record = new NpgsqlCommand(
            $"insert into {EventLogSchema.VersionTable} (version, by) values ($1, $2) on conflict (version) do nothing", connection)
        {
            Parameters = { new() { Value = EventLogSchema.Version },
                new() { Value = $"{WriterIdentity.Version} on {Environment.MachineName}" } },
        };
        await record.ExecuteNonQueryAsync(ct);
    }

    private async Task<SessionLock> TakeLock(CancellationToken ct)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            if (await SessionLock.TryTake(postgres, "schema", ct) is { } taken)
                return taken;
            if (time.GetElapsedTime(began) > LongestWait)
                throw new TimeoutException($"another migration has held its lock for {LongestWait.TotalMinutes:0} minutes");
            await Task.Delay(Pause, time, ct);
        }
    }

    private static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }

    [LoggerMessage(LogLevel.Information, "The event log's schema at {Address} has version {Version} (before: {Recorded})")]
    private partial void LogMigrated(string address, int recorded, int version);

    [LoggerMessage(LogLevel.Information,
        "The event log's schema has version {Recorded}, newer than {Version} of this program; nothing was changed")]
    private partial void LogNewer(int recorded, int version);

    [LoggerMessage(LogLevel.Warning,
        "{Name} differs from this version's declaration; not changed, because its schema version has been applied before")]
    private partial void LogDiffers(string name);
}
