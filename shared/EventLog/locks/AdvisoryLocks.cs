using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Advisory locks of Postgres by name, held until the end of the transaction; <see cref="SessionLock"/> is the other kind.
/// </summary>
internal static class AdvisoryLocks
{
    /// <summary>Takes locks exclusively, waiting for them.</summary>
    /// <param name="connection">In a transaction, which must be a short one.</param>
    /// <param name="names">Taken in one order, so that transactions with several locks do not deadlock.</param>
    /// <param name="ct">Cancels the wait.</param>
    public static Task Take(NpgsqlConnection connection, IEnumerable<string> names, CancellationToken ct) =>
        Take(connection, "pg_advisory_xact_lock", names, ct);

    /// <inheritdoc cref="Take(NpgsqlConnection, IEnumerable{string}, CancellationToken)"/>
    /// <summary>Takes shared locks, waiting for exclusive ones to end.</summary>
    public static Task Share(NpgsqlConnection connection, IEnumerable<string> names, CancellationToken ct) =>
        Take(connection, "pg_advisory_xact_lock_shared", names, ct);

    /// <summary>64 bits of the name's SHA-256. Two names with one key only wait for each other needlessly.</summary>
    public static long KeyOf(string name) => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(name)));

    private static async Task Take(NpgsqlConnection connection, string function, IEnumerable<string> names, CancellationToken ct)
    {
        var keys = names.Select(KeyOf).Distinct().Order().ToArray();
        await using var command =
            new NpgsqlCommand($"select {function}(key) from (select unnest($1) as key order by 1) as keys", connection)
            {
                Parameters = { new() { Value = keys } },
            };
        await command.ExecuteNonQueryAsync(ct);
    }
}
