using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Kuik.Expiry.Audit;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.Expiry.Audit;

/// <summary>The audit API before a question is answered: over the wire, with a Kubernetes that answers reviews, and without
/// Postgres.</summary>
public sealed class AuditGateTests : IAsyncLifetime
{
    private const string Token = "correct-horse-battery-staple";

    private readonly FakeTimeProvider _time = new();
    private readonly KeptLines _log = new();
    private readonly HttpClient _http = new();
    private readonly List<TimeSpan?> _retryAfter = [];
    private ReviewingKubernetes _kubernetes = null!;
    private WebApplication _app = null!;

    public async ValueTask InitializeAsync()
    {
        _kubernetes = await ReviewingKubernetes.Start();
        var builder = WebApplication.CreateSlimBuilder();
        builder.ListenOnFreePort(null);
        builder.Logging.ClearProviders().AddProvider(_log);
        builder.Services.AddSingleton<TimeProvider>(_time);
        builder.Configuration["Kuik:Audit:Api"] = "true";
        builder.Configuration["KUBECONFIG"] = _kubernetes.Kubeconfig;
        builder.Configuration["ConnectionStrings:Postgres"] = $"Host=127.0.0.1;Port={FreePort.Next()};Database=kuik;Username=kuik";
        builder.AddAuditApi();
        _app = builder.Build();
        _app.MapAuditApi();
        await _app.StartAsync();
        _http.BaseAddress = new Uri(_app.Urls.First() + "/audit/v1/");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
        await _kubernetes.DisposeAsync();
    }

    [Fact]
    public async Task Without_a_token_or_with_one_that_Kubernetes_does_not_accept_it_is_401()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await Ask("images", token: null)).Status);
        Assert.Equal((HttpStatusCode.Unauthorized, "Kubernetes does not accept the token"), await Ask("images", "bad"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await Ask("images", new string('x', 20_000))).Status);
    }

    [Fact]
    public async Task Without_the_right_it_is_403_with_a_sentence_that_names_user_and_right()
    {
        var (status, detail) = await Ask("images", Token);

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Equal($"{Token} has no right to get audits.kuik.enix.io in the whole cluster: bind the ClusterRole kuik-audit-reader, "
            + "or ask about one namespace", detail);
    }

    [Theory]
    [InlineData("Authorization")]
    [InlineData("X-Kuik-Token")]
    public async Task With_the_right_the_question_goes_to_Postgres_whose_absence_is_503(string header)
    {
        _kubernetes.Rights[(Token, "get", "")] = true;

        var (status, detail) = await Ask("images", Token, header);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.StartsWith("Postgres does not answer", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_right_in_one_namespace_admits_questions_about_it_and_no_other()
    {
        _kubernetes.Rights[(Token, "get", "web")] = true;

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await Ask("images?namespace=web", Token)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Ask("images?namespace=other", Token)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Ask("images", Token)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Ask("images?namespace=", Token)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Ask("images?namespace=other&namespace=web", Token)).Status);
    }

    [Theory]
    [InlineData("state?namespace=web")]
    [InlineData("diff?from=1&to=2&namespace=web")]
    [InlineData("events?namespace=web")]
    public async Task A_question_about_everything_has_no_namespace(string question)
    {
        _kubernetes.Rights[(Token, "get", "web")] = true;

        Assert.Equal(HttpStatusCode.BadRequest, (await Ask(question, Token)).Status);
    }

    [Fact]
    public async Task A_stream_needs_the_verb_watch()
    {
        _kubernetes.Rights[(Token, "get", "")] = true;

        var (status, detail) = await Ask("events", Token, accept: "text/event-stream");

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("has no right to watch audits.kuik.enix.io", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_Kubernetes_does_not_answer_nothing_is_shown()
    {
        _kubernetes.Rights[(Token, "get", "")] = true;
        await _kubernetes.Stop();

        var (status, detail) = await Ask("images", Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("nothing is shown", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_right_that_is_taken_away_ends_after_ten_seconds()
    {
        _kubernetes.Rights[(Token, "get", "")] = true;
        await Ask("images", Token);
        _kubernetes.Rights.Clear();

        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await Ask("images", Token)).Status);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.Forbidden, (await Ask("images", Token)).Status);
    }

    [Theory]
    [InlineData("images?phase=Nonsense")]
    [InlineData("images?image=nginx")]
    [InlineData("images?limit=1001")]
    [InlineData("history")]
    [InlineData("history?subject=deployment/front")]
    [InlineData("why?image=UPPER")]
    [InlineData("state?until=yesterday")]
    [InlineData("diff?from=1")]
    [InlineData("events?type=A&after=never")]
    [InlineData("uses?image=UPPER")]
    public async Task A_wrong_question_is_400_with_a_sentence(string question)
    {
        _kubernetes.Rights[(Token, "get", "")] = true;

        var (status, detail) = await Ask(question, Token);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.NotEmpty(detail);
    }

    [Theory]
    [InlineData("state")]
    [InlineData("diff?from=1&to=2")]
    [InlineData("uses?node=node-1")]
    public async Task While_a_question_folds_the_log_another_one_is_429_and_says_when_to_ask_again(string question)
    {
        _kubernetes.Rights[(Token, "get", "")] = true;
        IDisposable folding = _app.Services.GetRequiredService<AuditLimits>().TryFold()!;

        var refused = await Ask(question, Token);
        var other = await Ask("images", Token);
        folding.Dispose();
        var later = await Ask(question, Token);

        Assert.Equal((HttpStatusCode.TooManyRequests,
            "another question is folding the log, and one at a time is answered: ask again in 10 s"), refused);
        Assert.Equal(TimeSpan.FromSeconds(10), _retryAfter[0]);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable), (other.Status, later.Status));
    }

    [Fact]
    public async Task The_stream_after_the_twentieth_is_429_and_a_page_is_not()
    {
        _kubernetes.Rights[(Token, "watch", "")] = _kubernetes.Rights[(Token, "get", "")] = true;
        var limits = _app.Services.GetRequiredService<AuditLimits>();
        for (var i = 0; i < 20; i++)
            Assert.NotNull(limits.TryStream());

        var (status, detail) = await Ask("events", Token, accept: "text/event-stream");

        Assert.Equal(HttpStatusCode.TooManyRequests, status);
        Assert.Equal("20 streams are open, as many as this replica serves: end one (kuik tail), or ask again in 10 s", detail);
        Assert.Equal(TimeSpan.FromSeconds(10), _retryAfter[0]);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await Ask("events", Token)).Status);
    }

    [Fact]
    public async Task Each_request_is_one_log_line_with_user_question_and_outcome_and_without_the_token()
    {
        await Ask("images?pattern=nginx", "alice");
        await Ask("images", "bad-secret");

        Assert.Single(_log.Lines, line => line.StartsWith("audit: alice (1 groups) asked /audit/v1/images?pattern=nginx: 403 in",
            StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.StartsWith("audit: - (0 groups) asked /audit/v1/images: 401 in", StringComparison.Ordinal));
        Assert.DoesNotContain(_log.Lines, line => line.Contains("bad-secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_document_lists_every_question_and_needs_no_token()
    {
        var document = JsonNode.Parse(await _http.GetStringAsync(new Uri("openapi.json", UriKind.Relative)))!;

        Assert.Equal(
            ["/audit/v1/images", "/audit/v1/history", "/audit/v1/why", "/audit/v1/users", "/audit/v1/uses", "/audit/v1/state",
                "/audit/v1/diff", "/audit/v1/events"],
            document["paths"]!.AsObject().Select(path => path.Key));
        Assert.All(document["paths"]!.AsObject(), path => Assert.NotNull(
            path.Value!["get"]!["responses"]!["200"]!["content"]!["application/json"]!["schema"]!["properties"]));
    }

    private async Task<(HttpStatusCode Status, string Detail)> Ask(string question, string? token, string header = "Authorization",
        string accept = "application/json")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(question, UriKind.Relative));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        if (token is not null)
            request.Headers.Add(header, header == "Authorization" ? $"Bearer {token}" : token);
        using var answer = await _http.SendAsync(request);
        _retryAfter.Add(answer.Headers.RetryAfter?.Delta);
        return (answer.StatusCode, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"] ?? "");
    }
}
