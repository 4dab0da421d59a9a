using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Kuik.EventLog.Audit;

namespace Kuik.EventLog;

/// <summary>The hashes of the chain: pure functions. A change of one makes every kept head worthless:
/// docs/decisions/0027-hash-chain.md.</summary>
internal static class EventHash
{
    /// <summary>Bytes of a hash.</summary>
    public const int Length = SHA256.HashSizeInBytes;

    /// <summary>The hash before the first event.</summary>
    public static readonly byte[] Genesis = SHA256.HashData("kuik event hash chain 1"u8);

    /// <summary>The hash of an event by itself: everything that was recorded, but not whether its stream is archived.</summary>
    /// <param name="one">With its origin; JSON as Postgres prints it.</param>
    public static byte[] OfContent(RecordedEvent one)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, one.Sequence);
        Append(hash, one.Id.ToString("D"));
        Append(hash, one.Stream);
        Append(hash, one.Version);
        Append(hash, one.Type);
        Append(hash, (one.RecordedAt.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond);
        Append(hash, one.Data);
        Append(hash, one.Headers);
        Append(hash, one.CausationId);
        Append(hash, one.CorrelationId);
        Append(hash, one.RuntimeType);
        return hash.GetHashAndReset();
    }

    /// <summary>The hash of the chain at an event.</summary>
    /// <param name="previous">That at the event before it in the log.</param>
    /// <param name="content">The event's own.</param>
    public static byte[] Next(byte[] previous, byte[] content) => SHA256.HashData([.. previous, .. content]);

    private static void Append(IncrementalHash hash, long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        hash.AppendData(bytes);
    }

    // Its length before it, so that no text can be moved from one field to the next; -1 for null, which differs from "".
    private static void Append(IncrementalHash hash, string? text)
    {
        Append(hash, text is null ? -1 : Encoding.UTF8.GetByteCount(text));
        if (text is not null)
            hash.AppendData(Encoding.UTF8.GetBytes(text));
    }
}
