using System.Globalization;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The version of the event log's tables. <see cref="SchemaMigrator"/> alone changes them; services compare the recorded version with
/// theirs and wait until it is high enough. See docs/decisions/0015-schema.md.
/// </summary>
internal static class EventLogSchema
{
    /// <summary>
    /// The version that this version of Kuik needs. Raise it with every change of the tables, functions or indexes, Marten's included
    /// (<c>EventLogSchemaTests</c> detects it). A newer version works for every older service: changes only add.
    /// </summary>
    public const int Version = 1;

    /// <summary>The table with one row for each applied version, with the time and the migrator's version.</summary>
    public const string VersionTable = EventLogSetup.Schema + ".schema_version";

    /// <summary>The recorded version; 0 when there is none.</summary>
    /// <exception cref="NpgsqlException">Postgres fails.</exception>
    public static async Task<int> ReadVersion(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var exists = new NpgsqlCommand($"select to_regclass('{VersionTable}') is not null", connection);
        if (await exists.ExecuteScalarAsync(ct) is not true)
            return 0;
        await using var read = new NpgsqlCommand($"select coalesce(max(version), 0) from {VersionTable}", connection);
        return (int)(await read.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Why a service of this version cannot use the tables; null when it can.</summary>
    /// <param name="recorded">The version of the tables; 0 for none.</param>
    public static string? ProblemOf(int recorded) => recorded >= Version ? null : string.Create(CultureInfo.InvariantCulture,
        $"the event log's schema has {(recorded == 0 ? "no version" : $"version {recorded}")}, this version needs {Version}: run "
            + $"pod-watcher migrate");
}
