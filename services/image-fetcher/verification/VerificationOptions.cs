using Kuik.Hosting;

namespace Kuik.ImageFetcher;

/// <summary>How often the cache registry is compared with the event log.</summary>
/// <param name="Interval"><c>Kuik:Verify:Interval</c>: time between two looks at an image that is recorded as cached, up to a tenth more or
/// less. Default 1 day; 1 second to 365 days.</param>
public sealed record VerificationOptions(TimeSpan Interval)
{
    /// <exception cref="InvalidSettingException">It cannot be used.</exception>
    public static VerificationOptions From(IConfiguration configuration) => new(
        configuration.Read("Kuik:Verify:Interval", TimeSpan.FromDays(1), "a duration from 00:00:01 to 365.00:00:00, such as 1.00:00:00",
            interval => interval >= TimeSpan.FromSeconds(1) && interval <= TimeSpan.FromDays(365)));
}
