using JasperFx.Events.Daemon;

namespace Kuik.EventLog;

/// <summary>The progress of a projection or subscription.</summary>
/// <param name="Shard">Its name.</param>
/// <param name="Position">The sequence number of the last processed event.</param>
/// <param name="Last">The sequence number of the last event in the log.</param>
/// <param name="Since">UTC: when <paramref name="Position"/> last changed, or the shard last had no pending events.</param>
/// <param name="Failure">The failure that stops it at <paramref name="Position"/>; null for none.</param>
internal sealed record ShardProgress(string Shard, long Position, long Last, DateTimeOffset Since, ShardFailure? Failure)
{
    /// <summary>The age of the oldest event after <see cref="Position"/>.</summary>
    public TimeSpan Lag { get; init; }

    /// <summary>The progress after a new observation.</summary>
    /// <param name="position">-1 when the shard has not started.</param>
    /// <param name="last">The last event in the log.</param>
    /// <param name="failure">Null also right after a restart: a failure is over when the shard has got past it.</param>
    /// <param name="now">UTC.</param>
    public ShardProgress After(long position, long last, ShardFailure? failure, DateTimeOffset now)
    {
        var hasMoved = position > Position || position >= last;
        return new ShardProgress(Shard, Math.Max(position, Position), last, hasMoved ? now : Since, failure ?? (hasMoved ? null : Failure));
    }

    /// <summary>The time since which it has had pending events without progress, if that is too long; otherwise null.</summary>
    public DateTimeOffset? StandsStill(DateTimeOffset now) => Position < Last && now - Since >= ProjectionDaemon.StandsStillAfter
        ? Since
        : null;
}
