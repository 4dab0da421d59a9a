using Kuik.Hosting;

namespace Kuik.Expiry;

/// <summary>What a user may set.</summary>
/// <param name="ExpiryDelay"><c>Kuik:ExpiryDelay</c>: how long an image stays cached after nothing uses it. Default 30 days, at least 1 second. Images that have been
/// noted as unused keep the delay that held then.</param>
/// <param name="RequestLease"><c>Kuik:RequestLease</c>: how long an announced request, eviction or proposal may stay open before it is announced again.
/// Default 10 minutes, at least 1 second.</param>
/// <param name="SweepInterval"><c>Kuik:SweepInterval</c>: how often all images are looked at for what time has made due. Default 30 seconds, at least 0.1 second.</param>
public sealed record ExpirySettings(TimeSpan ExpiryDelay, TimeSpan RequestLease, TimeSpan SweepInterval)
{
    /// <exception cref="WrongSetting">One of them cannot be used.</exception>
    public static ExpirySettings Read(IConfiguration configuration) => new(
        configuration.Read("Kuik:ExpiryDelay", TimeSpan.FromDays(30), "a time span of at least 1 second, such as 30.00:00:00 (days.hours:minutes:seconds)", IsAtLeast(1)),
        configuration.Read("Kuik:RequestLease", TimeSpan.FromMinutes(10), "a time span of at least 1 second, such as 00:10:00", IsAtLeast(1)),
        configuration.Read("Kuik:SweepInterval", TimeSpan.FromSeconds(30), "a time span of at least 0.1 second and at most a day, such as 00:00:30",
            value => IsAtLeast(0.1)(value) && value <= TimeSpan.FromDays(1)));

    private static Func<TimeSpan, bool> IsAtLeast(double seconds) => value => value >= TimeSpan.FromSeconds(seconds) && value <= TimeSpan.FromDays(36500);
}
