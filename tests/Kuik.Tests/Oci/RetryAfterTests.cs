using System.Globalization;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>How long a registry asks to wait, by its own clock.</summary>
public sealed class RetryAfterTests
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 11, 27, 12, 0, 0, TimeSpan.Zero));

    [Theory]
    [InlineData(60)]
    [InlineData(0)]
    [InlineData(-60)]
    public async Task A_time_is_read_by_the_clock_of_the_answer(int minutesAhead)
    {
        var there = time.GetUtcNow().AddMinutes(minutesAhead);

        Assert.Equal(TimeSpan.FromMinutes(5), await Ask(there.ToString("R"), there.AddMinutes(5).ToString("R")));
    }

    [Fact]
    public async Task A_Unix_time_that_is_written_as_seconds_is_read_as_a_time()
    {
        var there = time.GetUtcNow().AddMinutes(-60);
        var seconds = there.AddMinutes(5).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

        Assert.Equal(TimeSpan.FromMinutes(5), await Ask(there.ToString("R"), seconds));
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("30", 30)]
    [InlineData("86400", 86400)]
    [InlineData("86401", null)]
    [InlineData("999999999", null)]
    [InlineData("99999999999999", null)]
    [InlineData("Fri, 27 Nov 2026 11:00:00 GMT", 0)]
    [InlineData("Tue, 01 Dec 2026 12:00:00 GMT", null)]
    [InlineData("soon", null)]
    public async Task More_than_a_day_and_what_cannot_be_read_count_as_not_said(string retryAfter, int? seconds) =>
        Assert.Equal(seconds is { } known ? TimeSpan.FromSeconds(known) : null, await Ask(time.GetUtcNow().ToString("R"), retryAfter));

    private async Task<TimeSpan?> Ask(string date, string retryAfter)
    {
        await using var origin = await ScriptedOrigin.Start();
        origin.Script = _ => Misbehave.Answer(429, ("Date", date), ("Retry-After", retryAfter));
        using var client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], time);
        var error = await Assert.ThrowsAsync<RegistryException>(
            () => client.GetManifest(new RegistryRepository(origin.Host, "a/b"), "1", null, TestContext.Current.CancellationToken));
        return error.RetryAfter;
    }
}
