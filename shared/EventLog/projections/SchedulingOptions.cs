using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.EventLog;

/// <summary>The options of due work on images: the same in every service.</summary>
/// <param name="ExpiryDelay"><c>Kuik:ExpiryDelay</c>: how long an image stays cached after its last use ended. Default 30 days, at least 1
/// second. A change applies to images that are already unused, too.</param>
/// <param name="RequestLease"><c>Kuik:RequestLease</c>: how long an announced copy or eviction may stay unclaimed before it is announced
/// again. Default 10 minutes, at least 1 second.</param>
public sealed record SchedulingOptions(TimeSpan ExpiryDelay, TimeSpan RequestLease)
{
    internal static readonly TimeSpan FirstAnnouncement = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long the first announcement, which is the event itself, may stay unclaimed. Shorter than the lease: on a fresh installation it
    /// may come before the consumer's queue exists, and RabbitMQ drops it then.
    /// </summary>
    public TimeSpan Announcement => FirstAnnouncement < RequestLease ? FirstAnnouncement : RequestLease;

    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static SchedulingOptions From(IConfiguration configuration) => new(
        configuration.Read("Kuik:ExpiryDelay", TimeSpan.FromDays(30),
            "a time span of at least 1 second, such as 30.00:00:00 (days.hours:minutes:seconds)", IsPossible),
        configuration.Read("Kuik:RequestLease", TimeSpan.FromMinutes(10), "a time span of at least 1 second, such as 00:10:00",
            IsPossible));

    private static bool IsPossible(TimeSpan value) => value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromDays(36500);
}
