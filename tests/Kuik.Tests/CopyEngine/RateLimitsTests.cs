using System.Diagnostics.Metrics;
using System.Net;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class RateLimitsTests : IDisposable
{
    private const string Hub = "docker.io";
    private static readonly RegistryCredential Robot = new("robot", "secret");

    private readonly FakeTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly RateLimits limits;

    public RateLimitsTests() => limits = new RateLimits(time, services.GetRequiredService<IMeterFactory>());

    public void Dispose() => services.Dispose();

    [Fact]
    public void A_retry_after_the_remaining_time_is_not_too_early()
    {
        limits.Saw429(Hub, null, TooMany(retryAfter: 60));
        time.Advance(TimeSpan.FromSeconds(59.9999));

        // not a fraction of a millisecond, which a timer takes for none
        Assert.Equal(TimeSpan.FromSeconds(1), Refused(Hub, null)!.RetryAfter);
    }

    [Fact]
    public void A_host_is_left_alone_for_as_long_as_it_asked_and_what_remains_of_it_is_told()
    {
        limits.Saw429(Hub, null, TooMany(retryAfter: 60));
        time.Advance(TimeSpan.FromSeconds(20));

        var refusal = Refused(Hub, null);
        time.Advance(TimeSpan.FromSeconds(40));

        Assert.Equal((CopyException.RateLimited, true, TimeSpan.FromSeconds(40)), (refusal!.Kind, refusal.RetryHelps, refusal.RetryAfter));
        Assert.Null(Refused(Hub, null));
    }

    [Fact]
    public void Another_credential_and_another_host_are_not_held_up()
    {
        limits.Saw429(Hub, null, TooMany(retryAfter: 60));

        Assert.Null(Refused(Hub, Robot));
        Assert.Null(Refused("quay.io", null));
    }

    [Fact]
    public void Pauses_that_the_host_does_not_choose_grow_up_to_a_limit()
    {
        var pauses = new List<TimeSpan>();
        for (var i = 0; i < 7; i++)
        {
            pauses.Add(limits.Saw429(Hub, null, TooMany()).RetryAfter!.Value);
            time.Advance(pauses[^1]);
        }

        Assert.Equal([30, 60, 120, 240, 480, 900, 900], pauses.Select(pause => pause.TotalSeconds));
    }

    [Fact]
    public void Answers_that_were_under_way_together_are_one_refusal()
    {
        for (var i = 0; i < 5; i++)
            limits.Saw429(Hub, null, TooMany());

        Assert.Equal(RateLimits.FirstPause, Refused(Hub, null)!.RetryAfter);
    }

    [Fact]
    public void A_GET_after_the_pause_ends_the_growth_and_neither_a_HEAD_nor_a_GET_from_before_does()
    {
        limits.Saw429(Hub, null, TooMany());
        limits.Saw(Call(HttpMethod.Get), Answer(HttpStatusCode.OK));
        var during = Refused(Hub, null);
        time.Advance(RateLimits.FirstPause);
        limits.Saw(Call(HttpMethod.Head), Answer(HttpStatusCode.OK));
        var second = limits.Saw429(Hub, null, TooMany());
        time.Advance(second.RetryAfter!.Value);
        limits.Saw(Call(HttpMethod.Get), Answer(HttpStatusCode.OK));

        var third = limits.Saw429(Hub, null, TooMany());

        Assert.NotNull(during);
        Assert.Equal((2 * RateLimits.FirstPause, RateLimits.FirstPause), (second.RetryAfter, third.RetryAfter));
    }

    [Fact]
    public void A_time_that_makes_no_sense_is_taken_for_none()
    {
        Assert.Equal(RateLimits.FirstPause, limits.Saw429(Hub, null, TooMany(retryAfter: 1_800_000_000)).RetryAfter);   // a date in seconds
        Assert.Equal(TimeSpan.FromSeconds(1), limits.Saw429("quay.io", null, TooMany(retryAfter: 0)).RetryAfter);
    }

    [Fact]
    public void What_the_host_says_is_left_is_in_the_reason_and_in_the_metrics_until_its_window_has_passed()
    {
        limits.Saw(Call(HttpMethod.Get),
            Answer(HttpStatusCode.OK, ("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "76;w=21600")));
        var before = Shown();
        limits.Saw(Call(HttpMethod.Get),
            Answer(HttpStatusCode.TooManyRequests, ("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "0;w=21600")));

        var refusal = limits.Saw429(Hub, null, TooMany());
        var after = Shown();
        time.Advance(TimeSpan.FromHours(6));

        Assert.Equal("rate limited by docker.io; next attempt in 30 s: GET x: 429; 0 of 100 per 6 h left", refusal.Message);
        Assert.Equal(["kuik_origin_ratelimit_limit docker.io 100", "kuik_origin_ratelimit_remaining docker.io 76"], before);
        Assert.Equal(["kuik_origin_ratelimit_limit docker.io 100", "kuik_origin_ratelimit_remaining docker.io 0"], after);
        Assert.Empty(Shown());
    }

    [Fact]
    public void Of_several_credentials_the_one_with_the_least_left_is_shown_and_none_is_named()
    {
        limits.Saw(Call(HttpMethod.Get), Answer(HttpStatusCode.OK, ("RateLimit-Limit", "100"), ("RateLimit-Remaining", "3")));
        limits.Saw(Call(HttpMethod.Get) with { Credential = Robot },
            Answer(HttpStatusCode.OK, ("RateLimit-Limit", "200"), ("RateLimit-Remaining", "150")));

        Assert.Equal(["kuik_origin_ratelimit_limit docker.io 100", "kuik_origin_ratelimit_remaining docker.io 3"], Shown());
    }

    [Theory]
    [InlineData("RateLimit-Limit: 100;w=21600", "RateLimit-Remaining: 76;w=21600", "76 of 100 per 6 h left")]   // Docker Hub
    [InlineData("ratelimit-limit: 100;w=3600", "ratelimit-remaining: 0;w=3600", "0 of 100 per 1 h left")]
    [InlineData("RateLimit-Limit: 60", "RateLimit-Remaining: 59", "59 of 60 left")]   // GitLab
    [InlineData("X-RateLimit-Limit: 5000", "X-RateLimit-Remaining: 4999", "4999 of 5000 left")]   // GitHub
    [InlineData("RateLimit-Limit: 10, 10;w=1, 50;w=60", "RateLimit-Remaining: 9", "9 of 10 left")]   // IETF's draft with several
    [InlineData("RateLimit-Limit: 10;w=90", "RateLimit-Remaining: 9", "9 of 10 per 90 s left")]
    [InlineData("RateLimit-Limit: many", "RateLimit-Remaining: 9", null)]
    [InlineData("RateLimit-Limit: 10", "X-Other: 9", null)]
    public void The_headers_of_registries_are_read_as_they_write_them(string one, string other, string? read)
    {
        using var answer = Answer(HttpStatusCode.OK,
            [.. new[] { one, other }.Select(header => header.Split(": ")).Select(header => (header[0], header[1]))]);

        Assert.Equal(read, RateLimit.From(answer.Headers)?.ToString());
    }

    private CopyException? Refused(string host, RegistryCredential? credential) =>
        Record.Exception(() => limits.Pass(host, credential)) as CopyException;

    private List<string> Shown()
    {
        var shown = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Scope == services.GetRequiredService<IMeterFactory>())
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => shown.Add($"{instrument.Name} {tags[0].Value} {value}"));
        listener.Start();
        listener.RecordObservableInstruments();
        return [.. shown.Order(StringComparer.Ordinal)];
    }

    private static RegistryException TooMany(double? retryAfter = null) =>
        new(RegistryErrorKind.RateLimited, "GET x: 429", HttpStatusCode.TooManyRequests, retryAfter is { } seconds
            ? TimeSpan.FromSeconds(seconds)
            : null);

    private static RegistryCall Call(HttpMethod method) => new(method, new RegistryRepository(Hub, "library/nginx"), "manifests/1");

    private static HttpResponseMessage Answer(HttpStatusCode status, params (string Name, string Value)[] headers)
    {
        var answer = new HttpResponseMessage(status);
        foreach (var (name, value) in headers)
            answer.Headers.TryAddWithoutValidation(name, value);
        return answer;
    }
}
