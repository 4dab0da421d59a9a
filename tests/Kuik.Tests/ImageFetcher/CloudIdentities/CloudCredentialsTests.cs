using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.ImageFetcher;
using Kuik.Oci;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>The cloud is a function here, so that its failures come when the test wants them; each cloud's own tests ask a scripted
/// endpoint.</summary>
public sealed class CloudCredentialsTests : ICloudIdentity
{
    private const string Host = "registry.cloud.example.com";

    private readonly FakeTimeProvider time = new();
    private readonly ConcurrentQueue<string> log = new();
    private RequestCloudToken cloud = _ => throw new InvalidOperationException("the cloud's answer is not set");
    private int asked;

    private CloudCredentials Clouds => field ??= new CloudCredentials([this], time, new Lines(log));

    [Fact]
    public async Task A_registry_of_no_cloud_is_opened_by_none()
    {
        var found = await Clouds.For("r.example.com", TestContext.Current.CancellationToken);

        Assert.Equal((0, 0, 0), (found.Credentials.Count, found.Problems.Count, asked));
    }

    [Fact]
    public async Task A_token_is_kept_until_shortly_before_it_expires()
    {
        Gives("first", TimeSpan.FromHours(1));
        Assert.Equal(["first"], await Find());
        Gives("second", TimeSpan.FromHours(1));

        time.Advance(TimeSpan.FromHours(1) - CloudCredentials.Margin - TimeSpan.FromSeconds(1));
        var before = await Find();
        time.Advance(TimeSpan.FromSeconds(1));
        var after = await Find();

        Assert.Equal(["first"], before);
        Assert.Equal(["second"], after);
    }

    [Fact]
    public async Task A_token_that_lasts_for_a_moment_only_is_kept_for_half_of_it()
    {
        Gives("short", TimeSpan.FromMinutes(4));
        await Find();

        time.Advance(TimeSpan.FromMinutes(2) - TimeSpan.FromSeconds(1));
        await Find();
        time.Advance(TimeSpan.FromSeconds(1));
        await Find();

        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task Many_pulls_at_once_ask_once()
    {
        var answer = new TaskCompletionSource<CloudToken>();
        cloud = _ => answer.Task;

        var pulls = Enumerable.Range(0, 50).Select(_ => Find()).ToList();
        answer.SetResult(Token("one", TimeSpan.FromHours(1)));

        Assert.All(await Task.WhenAll(pulls), found => Assert.Equal(["one"], found));
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task An_unforeseen_exception_of_a_cloud_is_a_problem_and_does_not_say_what_the_cloud_sent()
    {
        cloud = _ => throw new FormatException("The format of value 'hunter2' is invalid.");

        var found = await Clouds.For(Host, TestContext.Current.CancellationToken);

        Assert.Empty(found.Credentials);
        Assert.Equal([$"the cloud gave no token for {Host} (FormatException)"], found.Problems);
        Assert.DoesNotContain(log, line => line.Contains("hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failure_is_told_and_remembered_for_half_a_minute()
    {
        cloud = _ => throw new CloudIdentityException("GET http://169.254.169.254/: 404");
        string[] problem = [$"the cloud gave no token for {Host} (GET http://169.254.169.254/: 404)"];

        Assert.Equal(problem, await Find());
        time.Advance(CloudCredentials.FailureIsGoodFor - TimeSpan.FromSeconds(1));
        Assert.Equal(problem, await Find());
        Gives("back", TimeSpan.FromHours(1));
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(["back"], await Find());
        Assert.Equal(problem, log);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_failure_that_goes_on_is_logged_once()
    {
        cloud = _ => throw new CloudIdentityException("404");

        await Find();
        time.Advance(CloudCredentials.FailureIsGoodFor);
        await Find();

        Assert.Single(log);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task A_cloud_that_does_not_answer_holds_a_pull_up_for_five_seconds_only()
    {
        cloud = ct =>
        {
            var silence = new TaskCompletionSource<CloudToken>();
            ct.Register(() => silence.SetException(new CloudIdentityException("no answer in time")));
            return silence.Task;
        };

        var pull = Find();
        time.Advance(CloudCredentials.Patience);

        Assert.Equal([$"the cloud gave no token for {Host} (no answer in time)"], await pull);
    }

    [Fact]
    public async Task While_the_cloud_fails_a_token_that_is_still_good_is_used()
    {
        Gives("old", TimeSpan.FromHours(1));
        await Find();
        cloud = _ => throw new CloudIdentityException("503");

        time.Advance(TimeSpan.FromHours(1) - TimeSpan.FromMinutes(1));
        var before = await Find();
        time.Advance(TimeSpan.FromMinutes(1));
        var after = await Find();

        Assert.Equal(["old", $"the cloud gave no token for {Host} (503)"], before);
        Assert.Equal([$"the cloud gave no token for {Host} (503)"], after);
    }

    [Fact]
    public async Task A_token_that_has_expired_already_is_a_failure()
    {
        Gives("late", TimeSpan.Zero);

        Assert.Equal([$"the cloud gave no token for {Host} (the cloud's token has expired already; check the clock)"], await Find());
    }

    [Fact]
    public async Task A_pull_that_leaves_does_not_end_the_asking()
    {
        var answer = new TaskCompletionSource<CloudToken>();
        cloud = _ => answer.Task;
        using var gone = new CancellationTokenSource();
        var leaves = Clouds.For(Host, gone.Token);

        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaves);
        answer.SetResult(Token("one", TimeSpan.FromHours(1)));

        Assert.Equal(["one"], await Find());
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task The_pods_own_secrets_come_first_and_problems_of_both_are_told()
    {
        Gives("cloud", TimeSpan.FromHours(1));
        var image = ImageReference.Parse($"{Host}/team/app:1");
        var secret = new Dictionary<string, byte[]>
        {
            [".dockerconfigjson"] =
            System.Text.Encoding.UTF8.GetBytes($$$$"""{"auths":{"{{{{Host}}}}":{"username":"pod"}}}""")
        };
        using var known = new PullSecretCache(
            (_, _) => Task.FromResult<IReadOnlyList<PullSecret>>([new("shop", "foo"), new("shop", "bar")]),
            new FetcherOptions("fetcher-0", TimeSpan.FromMinutes(2), 3), time, NullLogger<PullSecretCache>.Instance);
        using var secrets = new PullSecretReader(
            (asked, _) => asked.Name == "foo"
                ? Task.FromResult(new SecretContent("kubernetes.io/dockerconfigjson", secret))
                : throw new HttpRequestException("connection refused"),
            time, NullLogger<PullSecretReader>.Instance);
        var collect = new CredentialCollector(known, secrets, Clouds);

        var found = await collect.For(image, TestContext.Current.CancellationToken);
        cloud = _ => throw new CloudIdentityException("503");
        time.Advance(TimeSpan.FromHours(1));
        var problems = await collect.Rejected(image, TestContext.Current.CancellationToken);

        Assert.Equal(["pod", "cloud"], found.Credentials.Select(credential => credential.Username));
        Assert.Equal(["the pull secret shop/bar could not be read: Kubernetes did not answer", $"the cloud gave no token for {Host} (503)"],
            problems);
    }

    [Fact]
    public async Task No_identity_is_used_unless_the_settings_name_it()
    {
        await using var scripted = await ScriptedCloud.Start();
        IReadOnlyList<string> Read(string? setting) =>
            [.. CloudIdentities.From(new ConfigurationBuilder().AddInMemoryCollection([new("Kuik:CloudIdentities", setting)]).Build(),
                scripted.Connections, time).Select(identity => identity.GetType().Name)];

        Assert.Empty(Read(null));
        Assert.Equal(["GoogleIdentity"], Read("google"));
        Assert.Equal(["EcrIdentity", "AzureIdentity"], Read("ecr, azure"));
        Assert.Equal("Kuik:CloudIdentities: \"aws\" is not accepted; it must be a list of ecr, google and azure",
            Assert.Throws<InvalidSettingException>(() => Read("aws")).Message);
    }

    public RequestCloudToken? For(string host)
    {
        return host == Host ? Ask : null;

        Task<CloudToken> Ask(CancellationToken ct)
        {
            asked++;
            return cloud(ct);
        }
    }

    private void Gives(string username, TimeSpan lifetime) => cloud = _ => Task.FromResult(Token(username, lifetime));

    private CloudToken Token(string username, TimeSpan lifetime) =>
        new(new RegistryCredential(username, "hunter2"), time.GetUtcNow() + lifetime);

    // The usernames that were found, then the problems.
    private async Task<IReadOnlyList<string>> Find()
    {
        var found = await Clouds.For(Host, TestContext.Current.CancellationToken);
        return [.. found.Credentials.Select(credential => credential.Username), .. found.Problems];
    }

    private sealed class Lines(ConcurrentQueue<string> log) : ILogger<CloudCredentials>
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => log.Enqueue(formatter(state, exception));
    }
}
