namespace Kuik.IntegrationTests.Replicas;

/// <summary>An event after which an origin may send a blob's bytes once more.</summary>
/// <param name="From">UTC.</param>
/// <param name="Until">UTC; null while it lasts.</param>
/// <param name="IsPartition">False: a kill -9, which loses what was in that replica's spool.</param>
internal sealed record Disruption(DateTimeOffset From, DateTimeOffset? Until, bool IsPartition)
{
    /// <summary>A replica that was silent is passed over for so long after it can be reached again.</summary>
    public static readonly TimeSpan AfterHeal = TimeSpan.FromSeconds(30);

    public bool IsWithin(DateTimeOffset begin, DateTimeOffset end) => From <= end && (Until is null || Until >= begin);
}
