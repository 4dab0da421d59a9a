using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The order between using an image and expiring it. A pod that starts to use a known image does not touch the image's stream, so the
/// stream's version protects nothing: whoever adds a usage row shares the image's lock, whoever decides that nothing uses it holds it alone.
/// Both are advisory locks of Postgres that end with the transaction.
/// </summary>
public static class ImageLocks
{
    /// <summary>Before usage rows are added. Others may use the images at the same time; nobody expires them until this transaction ends.</summary>
    /// <param name="transaction">The decision.</param>
    /// <param name="images">Normalised references; they are locked in one order, so that two pods never wait for each other.</param>
    /// <param name="ct">Ends the waiting.</param>
    public static async Task TakeToUse(EventLogTransaction transaction, IEnumerable<string> images, CancellationToken ct)
    {
        var keys = images.Select(image => KeyOf(StreamName.OfImage(image))).Distinct().Order().ToArray();
        await using var command = new NpgsqlCommand(
            "select pg_advisory_xact_lock_shared(key) from (select unnest($1) as key order by 1) as keys", transaction.Connection)
        {
            Parameters = { new() { Value = keys } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Before usage rows are counted to decide that nothing uses the image. Nobody starts to use it until this transaction ends.</summary>
    /// <param name="transaction">The decision.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="ct">Ends the waiting.</param>
    public static async Task TakeToExpire(EventLogTransaction transaction, string image, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select pg_advisory_xact_lock($1)", transaction.Connection)
        {
            Parameters = { new() { Value = KeyOf(StreamName.OfImage(image)) } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>64 bits of the name's SHA-256. Two names with one key only wait for each other needlessly.</summary>
    internal static long KeyOf(string name) => BinaryPrimitives.ReadInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
}
