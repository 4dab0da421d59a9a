namespace Kuik.EventLog;

/// <summary>The pulls of an image through the nodes' proxies since it was last requested, as far as they were reported.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Count">How many.</param>
/// <param name="LastAt">UTC: when the last one was, by the clock of its node.</param>
/// <param name="ReportedAt">UTC: when the last report of it came, by the database's clock.</param>
public sealed record ImagePullCount(string Image, long Count, DateTimeOffset LastAt, DateTimeOffset ReportedAt);
