using System.Globalization;

namespace Kuik.EventLog.Audit;

/// <summary>A head of the hash chain, as an operator keeps it outside of Postgres.</summary>
/// <param name="Sequence">The event.</param>
/// <param name="Hash">The hash of the chain at that event: 64 hex digits.</param>
public sealed record KeptHead(long Sequence, string Hash)
{
    /// <summary>Reads <c>SEQUENCE:HASH</c>; null when it is none.</summary>
    public static KeptHead? Parse(string text)
    {
        var parts = text.Split(':');
        return parts is [var number, { Length: 2 * EventHash.Length } hash]
            && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            && hash.All(char.IsAsciiHexDigit)
            ? new KeptHead(sequence, hash.ToLowerInvariant())
            : null;
    }

    /// <summary><c>SEQUENCE:HASH</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Sequence}:{Hash}");
}
