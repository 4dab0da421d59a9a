using Kuik.Hosting;

namespace Kuik.Expiry;

/// <summary>The options of this service alone; <see cref="EventLog.SchedulingOptions"/> has the shared ones.</summary>
/// <param name="SweepInterval"><c>Kuik:SweepInterval</c>: how often the work table is queried for due work, and the next thousand images
/// for unused ones. Default 30 seconds, at least 0.1 second, at most a day.</param>
public sealed record ExpiryOptions(TimeSpan SweepInterval)
{
    /// <exception cref="InvalidSettingException">The value is invalid.</exception>
    public static ExpiryOptions From(IConfiguration configuration) => new(
        configuration.Read("Kuik:SweepInterval", TimeSpan.FromSeconds(30),
            "a time span of at least 0.1 second and at most a day, such as 00:00:30",
            value => value >= TimeSpan.FromSeconds(0.1) && value <= TimeSpan.FromDays(1)));
}
