using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>Work to announce.</summary>
/// <param name="Kind">A copy or an eviction.</param>
/// <param name="Image">The normalised reference.</param>
/// <param name="DueSince">UTC: when it became due.</param>
/// <param name="DueAgain">UTC: when it is due again unless it changes.</param>
public sealed record DueWork(WorkKind Kind, string Image, DateTimeOffset DueSince, DateTimeOffset DueAgain);
