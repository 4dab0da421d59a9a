using Kuik.EventLog.Audit;
using Xunit;

namespace Kuik.Tests.Audit;

/// <summary>Places in the log as users write them.</summary>
public class InstantTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly TimeZoneInfo Paris = TimeZoneInfo.CreateCustomTimeZone("Paris", TimeSpan.FromHours(1), "Paris", "Paris");

    [Theory]
    [InlineData("2026-02-01T10:00:00Z", "2026-02-01T10:00:00+00:00")]
    [InlineData("2026-02-01T10:00:00+02:00", "2026-02-01T08:00:00+00:00")]
    [InlineData("2026-02-01 10:00", "2026-02-01T09:00:00+00:00")]
    [InlineData("2026-02-01T10:00:30", "2026-02-01T09:00:30+00:00")]
    [InlineData("2026-02-01", "2026-01-31T23:00:00+00:00")]
    [InlineData("now", "2026-03-01T12:00:00+00:00")]
    [InlineData("90m", "2026-03-01T10:30:00+00:00")]
    [InlineData("7d", "2026-02-22T12:00:00+00:00")]
    public void A_time_is_that_instant_and_without_an_offset_in_the_zone_of_the_user(string text, string expected) =>
        Assert.Equal(DateTimeOffset.Parse(expected, null), Instant.Parse(text, Now, Paris)!.Time);

    [Fact]
    public void Digits_are_a_sequence_number() => Assert.Equal(new Instant(null, 123456), Instant.Parse("123456", Now, Paris));

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("-5")]
    [InlineData("5w")]
    public void Anything_else_is_none(string text) => Assert.Null(Instant.Parse(text, Now, Paris));
}
