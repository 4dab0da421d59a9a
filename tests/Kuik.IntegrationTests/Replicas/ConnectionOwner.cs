using System.Globalization;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>Finds the process of a TCP connection, from /proc.</summary>
internal static class ConnectionOwner
{
    private static readonly string[] Tables = ["tcp", "tcp6"];

    /// <summary>True when the process has a connection from this port of 127.0.0.1.</summary>
    public static bool Has(int process, int localPort)
    {
        var port = ":" + localPort.ToString("X4", CultureInfo.InvariantCulture);
        var inodes = Tables.SelectMany(table => File.ReadLines($"/proc/{process}/net/{table}").Skip(1))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields[1].EndsWith(port, StringComparison.Ordinal)).Select(fields => $"socket:[{fields[9]}]").ToHashSet();
        return Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Any(file => IsOneOf(inodes, file));
    }

    private static bool IsOneOf(HashSet<string> inodes, string file)
    {
        try
        {
            var target = File.ResolveLinkTarget(file, returnFinalTarget: false);
            return target is not null && inodes.Contains(Path.GetFileName(target.FullName));
        }
        catch (IOException)
        {
            return false;   // closed meanwhile
        }
    }
}
