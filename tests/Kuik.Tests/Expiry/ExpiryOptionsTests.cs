using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.Expiry;

public class ExpiryOptionsTests
{
    [Fact]
    public void Without_settings_an_image_is_kept_for_30_days()
    {
        Assert.Equal((new SchedulingOptions(TimeSpan.FromDays(30), TimeSpan.FromMinutes(10)), new ExpiryOptions(TimeSpan.FromSeconds(30))),
            Read());
    }

    [Fact]
    public void A_delay_of_one_second_is_accepted()
    {
        Assert.Equal(TimeSpan.FromSeconds(1), Read(("Kuik:ExpiryDelay", "00:00:01")).Scheduling.ExpiryDelay);
    }

    [Theory]
    [InlineData("Kuik:ExpiryDelay", "00:00:00.9")]
    [InlineData("Kuik:ExpiryDelay", "-1.00:00:00")]
    [InlineData("Kuik:ExpiryDelay", "30 days")]
    [InlineData("Kuik:RequestLease", "0")]
    [InlineData("Kuik:SweepInterval", "00:00:00")]
    [InlineData("Kuik:SweepInterval", "2.00:00:00")]
    public void A_value_that_makes_no_sense_is_refused_by_name(string key, string value)
    {
        var refused = Assert.Throws<InvalidSettingException>(() => Read((key, value)));

        Assert.StartsWith($"{key}: \"{value}\" is not accepted; it must be ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_first_announcement_may_stay_open_for_a_minute_or_as_long_as_the_lease()
    {
        Assert.Equal(TimeSpan.FromMinutes(1), Read().Scheduling.Announcement);
        Assert.Equal(TimeSpan.FromSeconds(5), Read(("Kuik:RequestLease", "00:00:05")).Scheduling.Announcement);
    }

    private static (SchedulingOptions Scheduling, ExpiryOptions Sweep) Read(params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value))
            .Build();
        return (SchedulingOptions.From(configuration), ExpiryOptions.From(configuration));
    }
}
