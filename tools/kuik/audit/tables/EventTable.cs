using System.Globalization;
using Kuik.CommandLine.Output;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>Events as a table, one line each.</summary>
internal static class EventTable
{
    /// <summary>A table of lines.</summary>
    /// <param name="lines">In the order of the log.</param>
    /// <param name="isWide">True: with sequence number, stream, event, replica and version.</param>
    public static string Of(IEnumerable<EventLine> lines, bool isWide)
    {
        var table = isWide
            ? new Table("TIME", "SEQUENCE", "STREAM", "EVENT", "WHAT", "WHY", "ACTOR", "REPLICA", "VERSION")
            : new Table("TIME", "WHAT", "WHY", "ACTOR");
        foreach (var line in lines)
        {
            var what = line.Counted ? line.What : $"({line.What}: had no effect)";
            if (isWide)
                table.Add(TimeText.Of(line.Time), line.Sequence.ToString(CultureInfo.InvariantCulture), line.Stream, line.Event, what,
                    line.Why,
                    line.Actor, line.Replica, line.Version);
            else
                table.Add(TimeText.Of(line.Time), what, line.Why, line.Actor);
        }
        return table.ToString();
    }
}
