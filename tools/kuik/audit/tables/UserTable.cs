using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>Pods and workloads as a table.</summary>
internal static class UserTable
{
    /// <summary>A table of rows.</summary>
    public static string Of(IEnumerable<UserRow> rows, bool isWide)
    {
        var table = isWide
            ? new Table("KIND", "NAMESPACE", "NAME", "OWNER", "NODE", "SINCE", "CONTAINERS", "DIGEST", "SERVICE ACCOUNT", "UID")
            : new Table("KIND", "NAMESPACE", "NAME", "OWNER", "NODE", "SINCE");
        foreach (var row in rows)
        {
            string?[] cells =
            [
                row.Kind, row.Namespace, row.Name, row.Owner, row.Node, TimeText.Of(row.CreatedAt ?? row.Since),
                string.Join(", ", row.Containers), TimeText.OfDigest(row.Digest), row.ServiceAccount, row.Uid,
            ];
            table.Add(isWide ? cells : cells[..6]);
        }
        return table.ToString();
    }
}
