using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class PullReporterTests
{
    private static readonly ImageReference Nginx = ImageReference.Parse("nginx:1.27");

    private readonly FakeTimeProvider _time = new();
    private readonly List<PullReport> _reports = [];
    private Func<CancellationToken, Task<HttpStatusCode>> _answer = _ => Task.FromResult(HttpStatusCode.NoContent);

    [Fact]
    public async Task What_was_pulled_is_reported_once()
    {
        var (reporter, counter) = New();
        counter.Count(Nginx, isHead: true, isHit: false);

        await reporter.Report(CancellationToken.None);
        await reporter.Report(CancellationToken.None);

        var report = Assert.Single(_reports);
        Assert.Equal(Environment.MachineName, report.Node);
        Assert.Equal(("docker.io/library/nginx:1.27", 1), (report.Pulls[0].Image, report.Pulls[0].Count));
    }

    [Theory]
    [InlineData(HttpStatusCode.ServiceUnavailable)]
    [InlineData(HttpStatusCode.NotFound)]   // an image-fetcher of an earlier version
    [InlineData(null)]                      // connection refused
    public async Task A_report_that_is_not_taken_is_part_of_the_next_one(HttpStatusCode? status)
    {
        var (reporter, counter) = New();
        counter.Count(Nginx, isHead: true, isHit: false);
        _answer = _ => status is { } code ? Task.FromResult(code) : throw new HttpRequestException(HttpRequestError.ConnectionError);
        await reporter.Report(CancellationToken.None);
        counter.Count(Nginx, isHead: true, isHit: false);
        _answer = _ => Task.FromResult(HttpStatusCode.NoContent);

        await reporter.Report(CancellationToken.None);

        Assert.Equal(2, Assert.Single(_reports[^1].Pulls).Count);
    }

    [Fact]
    public async Task An_image_fetcher_that_is_silent_is_left_after_five_seconds()
    {
        var (reporter, counter) = New();
        counter.Count(Nginx, isHead: true, isHit: false);
        _answer = async ct =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return default;
        };

        var report = reporter.Report(CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(5));
        await report;

        Assert.Single(counter.Take());
    }

    [Fact]
    public async Task Without_an_image_fetcher_nothing_is_sent()
    {
        var (reporter, counter) = New(fetcher: null);
        counter.Count(Nginx, isHead: true, isHit: false);

        await reporter.Report(CancellationToken.None);

        Assert.Empty(_reports);
    }

    private (PullReporter, PullCounter) New(string? fetcher = "http://fetcher:8080/")
    {
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        var counter = new PullCounter(_time);
        var options = ProxyOptions.From(new ConfigurationBuilder().Build());
        var addresses = new SourceAddresses(new SourceAddress(null), new SourceAddress(fetcher is null ? null : new Uri(fetcher)));
        var credentials = SourceCredentials.Open(new ConfigurationBuilder().Build(), _time, NullLogger<SourceCredentials>.Instance);
        return (new PullReporter(
            counter, addresses, credentials, new HttpMessageInvoker(new Fetcher(this)), options, new ProxyMetrics(meters), _time,
            NullLogger<PullReporter>.Instance), counter);
    }

    private sealed class Fetcher(PullReporterTests test) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.Equal(("POST", "http://fetcher:8080/kuik/pulls"), (request.Method.Method, request.RequestUri!.AbsoluteUri));
            test._reports.Add((await request.Content!.ReadFromJsonAsync<PullReport>(cancellationToken))!);
            return new HttpResponseMessage(await test._answer(cancellationToken));
        }
    }
}
