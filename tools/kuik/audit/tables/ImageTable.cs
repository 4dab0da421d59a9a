using System.Globalization;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>Images as a table.</summary>
internal static class ImageTable
{
    /// <summary>A table of rows.</summary>
    public static string Of(IEnumerable<ImageRow> rows, bool isWide)
    {
        var table = isWide
            ? new Table("IMAGE", "PHASE", "USERS", "SIZE", "CHANGED", "DIGEST", "CACHED", "RETAIN", "UNUSED SINCE", "EXPIRES",
                "NEXT RETRY", "LAST ERROR")
            : new Table("IMAGE", "PHASE", "USERS", "SIZE", "CHANGED");
        foreach (var row in rows)
        {
            string?[] cells =
            [
                row.Image, row.Phase.ToString(), row.Users.ToString(CultureInfo.InvariantCulture), TimeText.OfBytes(row.SizeInBytes),
                TimeText.Of(row.ChangedAt), TimeText.OfDigest(row.Digest), TimeText.Of(row.CachedAt), row.IsRetained ? "true" : "",
                TimeText.Of(row.UnusedSince), TimeText.Of(row.ExpiresAt), TimeText.Of(row.RetryAt), row.LastError is null ? ""
                    : Excerpt.Of(row.LastError),
            ];
            table.Add(isWide ? cells : cells[..5]);
        }
        return table.ToString();
    }
}
