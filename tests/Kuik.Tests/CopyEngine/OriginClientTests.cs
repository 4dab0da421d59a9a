using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>Several credentials for one image: which are tried, and which answer counts.</summary>
public sealed class OriginClientTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly TestImage image = TestImage.Small(seed: 1);
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly List<RegistryCredential> credentials = [];
    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;
    private OriginClient originClient = null!;
    private ImageReference name = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        name = ImageReference.Parse(origin.Add("team/web", "1", image));
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], time);
        var limits = new RateLimits(time, services.GetRequiredService<IMeterFactory>());
        originClient = new OriginClient(client, (_, _) => Task.FromResult<IReadOnlyList<RegistryCredential>>([.. credentials]), limits);
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await services.DisposeAsync();
        await origin.DisposeAsync();
    }

    [Fact]
    public async Task A_credential_that_is_rate_limited_does_not_keep_the_next_one_from_being_tried()
    {
        Use("a", "b");
        Answer(("a", Misbehave.Answer(429, ("Retry-After", "3600"))), ("b", null));

        var first = await originClient.GetManifest(name, Stop);
        var second = await originClient.GetManifest(name, Stop);

        Assert.Equal((image.Digest, image.Digest), (first.Digest, second.Digest));
        Assert.Single(Shown(), user => user == "a");
    }

    [Fact]
    public async Task Where_the_others_are_refused_it_is_the_rate_limit_that_is_told_as_it_ends()
    {
        Use("a", "b");
        Answer(("a", Misbehave.Answer(403)), ("b", Misbehave.Answer(429, ("Retry-After", "60"))));

        var now = await Assert.ThrowsAsync<CopyException>(() => originClient.GetManifest(name, Stop));
        var again = await Assert.ThrowsAsync<CopyException>(() => originClient.GetManifest(name, Stop));

        Assert.All([now, again], failure => Assert.Equal((CopyException.RateLimited, true), (failure.Kind, failure.RetryHelps)));
        Assert.Single(Shown(), user => user == "b");
    }

    [Fact]
    public async Task HEAD_is_asked_with_a_credential_that_is_not_rate_limited()
    {
        Use("a", "b");
        Answer(("a", Misbehave.Answer(429, ("Retry-After", "3600"))), ("b", null));
        await Assert.ThrowsAsync<CopyException>(() => originClient.HeadManifest(name, Stop));

        var head = await originClient.HeadManifest(name, Stop);

        Assert.Equal(image.Digest, head?.Digest);
    }

    [Fact]
    public async Task A_tag_that_is_missing_costs_five_credentials_and_not_two_hundred()
    {
        Use([.. Enumerable.Range(0, 200).Select(i => $"user{i}")]);
        origin.Script = Challenged(_ => Misbehave.Answer(404));

        var failure = await Assert.ThrowsAsync<CopyException>(() => originClient.GetManifest(name, Stop));

        Assert.Equal((CopyException.Gone, false), (failure.Kind, failure.RetryHelps));
        Assert.Equal(["user0", "user1", "user2", "user3"], Shown().Distinct());   // and none, which is the fifth
    }

    [Fact]
    public async Task The_seventh_credential_is_found_by_the_next_attempt_and_first_from_then_on()
    {
        Use([.. Enumerable.Range(0, 8).Select(i => $"user{i}")]);
        origin.Script = Challenged(user => user == "user6" ? null : Misbehave.Answer(403));

        var failure = await Assert.ThrowsAsync<CopyException>(() => originClient.GetManifest(name, Stop));
        var found = await originClient.GetManifest(name, Stop);
        var before = Shown().Count;
        await originClient.GetManifest(name, Stop);

        Assert.Equal((CopyException.Refused, true, HttpStatusCode.Forbidden), (failure.Kind, failure.RetryHelps, failure.Status!.Value));
        Assert.Contains("5 of 9 credentials were refused; the next attempt tries others", failure.Message, StringComparison.Ordinal);
        Assert.Equal(image.Digest, found.Digest);
        Assert.Equal(["user6"], Shown().Skip(before));
    }

    [Fact]
    public async Task When_all_have_been_refused_no_retry_helps_and_it_begins_with_the_first_again()
    {
        Use([.. Enumerable.Range(0, 6).Select(i => $"user{i}")]);
        origin.Script = Challenged(_ => Misbehave.Answer(403));

        var attempts = new List<CopyException>();
        for (var i = 0; i < 3; i++)
            attempts.Add(await Assert.ThrowsAsync<CopyException>(() => originClient.GetManifest(name, Stop)));

        Assert.Equal([true, false, true], attempts.Select(attempt => attempt.RetryHelps));
    }

    [Fact]
    public async Task A_public_image_is_had_although_many_credentials_are_refused()
    {
        Use([.. Enumerable.Range(0, 200).Select(i => $"user{i}")]);
        var asked = 0;
        origin.Script = request =>
            request.Authorization is not null || asked++ < 4 ? Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\"")) : null;

        Assert.Equal(image.Digest, (await originClient.GetManifest(name, Stop)).Digest);
    }

    private void Use(params string[] users) => credentials.AddRange(users.Select(user => new RegistryCredential(user, "p")));

    private void Answer(params (string User, Misbehaviour? Answer)[] answers) => origin.Script = Challenged(user =>
        answers.Where(one => one.User == user).Select(one => (Known: true, one.Answer)).FirstOrDefault() is { Known: true } known
            ? known.Answer : Misbehave.Answer(403));

    /// <summary>Nothing is served without a credential; what then is, the function says.</summary>
    private static Func<OriginRequest, Misbehaviour?> Challenged(Func<string, Misbehaviour?> answer) => request =>
        request.Authorization is { } basic ? answer(UserOf(basic)) : Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""));

    private static string UserOf(string basic) => Encoding.UTF8.GetString(Convert.FromBase64String(basic["Basic ".Length..])).Split(':')[0];

    /// <summary>The credentials that the origin got, in order.</summary>
    private List<string> Shown() => [.. origin.Ledger.Select(request => request.Authorization).OfType<string>().Select(UserOf)];
}
