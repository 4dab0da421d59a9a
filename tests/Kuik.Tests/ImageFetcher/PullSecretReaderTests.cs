using System.Net;
using System.Text;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.Kubernetes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>Kubernetes is a dictionary here, so that its failures come when the test wants them; the integration tests read a real
/// kube-apiserver.</summary>
public sealed class PullSecretReaderTests : IDisposable
{
    private static readonly PullSecret Foo = new("shop", "foo");
    private static readonly PullSecret Bar = new("shop", "bar");

    private readonly FakeTimeProvider time = new();
    private readonly Dictionary<PullSecret, string> kubernetes = [];
    private Exception? failure;
    private int requests;

    private PullSecretReader Reader => field ??= new PullSecretReader(Get, time, NullLogger<PullSecretReader>.Instance);

    [Fact]
    public async Task No_secrets_hold_nothing() => Assert.Equal([], await Read());

    [Fact]
    public async Task Existing_secrets_are_read_and_missing_ones_skipped()
    {
        kubernetes[Foo] = "foo";

        Assert.Equal(["foo"], await Read(Foo));
        Assert.Equal(["the pull secret shop/bar does not exist"], await Read(Bar));
        Assert.Equal(["foo", "the pull secret shop/bar does not exist"], await Read(Bar, Foo));
    }

    [Fact]
    public async Task An_unreadable_secret_is_named_and_the_others_are_used()
    {
        kubernetes[Foo] = "foo";
        kubernetes[Bar] = "\"";

        Assert.Equal(["foo", "the pull secret shop/bar holds no valid JSON under .dockerconfigjson (line 1, byte 41)"],
            await Read(Bar, Foo));
    }

    [Fact]
    public async Task A_secret_is_asked_for_once_in_half_a_minute()
    {
        kubernetes[Foo] = "foo";

        await Read(Foo);
        time.Advance(TimeSpan.FromSeconds(29));
        await Read(Foo);

        Assert.Equal(1, requests);
    }

    [Fact]
    public async Task A_rotated_secret_is_used_half_a_minute_later_at_the_latest()
    {
        kubernetes[Foo] = "old";
        await Read(Foo);

        kubernetes[Foo] = "new";
        time.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(["new"], await Read(Foo));
    }

    [Fact]
    public async Task What_a_registry_rejected_is_read_again_at_once()
    {
        kubernetes[Foo] = "old";
        await Read(Foo);
        kubernetes[Foo] = "new";

        Reader.Doubt([Foo, Bar]);

        Assert.Equal(["new"], await Read(Foo));
        Assert.Equal(2, requests);
    }

    [Fact]
    public async Task A_deleted_secret_opens_nothing_any_more()
    {
        kubernetes[Foo] = "foo";
        await Read(Foo);

        kubernetes.Clear();
        time.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(["the pull secret shop/foo does not exist"], await Read(Foo));
    }

    [Theory]
    [InlineData(true, "the pull secret shop/foo could not be read: Kubernetes did not answer")]
    [InlineData(false, "the pull secret shop/foo could not be read: Kubernetes answered 503")]
    public async Task While_Kubernetes_is_down_the_last_known_secret_is_used(bool unreachable, string problem)
    {
        kubernetes[Foo] = "foo";
        await Read(Foo);

        failure = unreachable
            ? new HttpRequestException("connection refused")
            : new KubernetesApiException(HttpStatusCode.ServiceUnavailable, null, "GET …: 503");
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(["foo", problem], await Read(Foo));
        await Read(Foo);
        Assert.Equal(2, requests);   // and Kubernetes is left alone for a moment
    }

    [Fact]
    public async Task A_secret_that_was_never_read_opens_nothing_while_Kubernetes_is_down_and_is_read_when_it_is_back()
    {
        kubernetes[Foo] = "foo";
        failure = new HttpRequestException("connection refused");
        Assert.Equal(["the pull secret shop/foo could not be read: Kubernetes did not answer"], await Read(Foo));

        failure = null;
        time.Advance(PullSecretReader.Patience);

        Assert.Equal(["foo"], await Read(Foo));
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden)]
    [InlineData(HttpStatusCode.Unauthorized)]
    public async Task A_secret_that_Kubernetes_forbids_is_not_used_any_more(HttpStatusCode status)
    {
        kubernetes[Foo] = "foo";
        await Read(Foo);

        failure = new KubernetesApiException(status, null, "GET …");
        time.Advance(PullSecretReader.Fresh);

        Assert.Equal([$"the pull secret shop/foo could not be read: Kubernetes answered {(int)status}, image-fetcher may not get it"],
            await Read(Foo));
    }

    [Fact]
    public async Task A_Kubernetes_that_is_silent_for_more_than_an_hour_is_no_reason_to_use_a_secret_any_longer()
    {
        kubernetes[Foo] = "foo";
        await Read(Foo);
        failure = new HttpRequestException("connection refused");

        for (var minutes = 0; minutes <= 60; minutes += 10)
            time.Advance(TimeSpan.FromMinutes(10));

        Assert.Equal(["the pull secret shop/foo could not be read: Kubernetes did not answer"], await Read(Foo));
    }

    [Fact]
    public async Task What_is_not_asked_for_any_more_leaves_the_memory()
    {
        kubernetes[Foo] = "foo";
        kubernetes[Bar] = "bar";
        await Read(Foo, Bar);

        time.Advance(PullSecretReader.Kept);
        await Read(Foo);
        time.Advance(TimeSpan.FromMinutes(1));
        await Read(Foo);

        Assert.Equal(1, Reader.Count);
    }

    [Fact]
    public async Task However_many_secrets_an_image_has_Kubernetes_is_asked_a_few_questions_at_a_time()
    {
        var secrets = Enumerable.Range(0, 200).Select(i => new PullSecret("shop", $"secret-{i}")).ToArray();
        var (now, most) = (0, 0);
        using var reader = new PullSecretReader(async (_, _) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Yield();
            Interlocked.Decrement(ref now);
            throw new KubernetesApiException(HttpStatusCode.NotFound, "NotFound", "GET …: 404");
        }, time, NullLogger<PullSecretReader>.Instance);

        var read = await reader.Read(secrets, TestContext.Current.CancellationToken);

        Assert.Equal(200, read.Problems.Count);
        Assert.InRange(most, 1, 16);
    }

    [Fact]
    public async Task A_caller_that_gives_up_is_not_told_that_Kubernetes_is_down()
    {
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        failure = new OperationCanceledException(gone.Token);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Reader.Read([Foo], gone.Token));
    }

    public void Dispose() => Reader.Dispose();

    // The usernames that were found, then the problems.
    private async Task<IReadOnlyList<string>> Read(params PullSecret[] secrets)
    {
        var read = await Reader.Read(secrets, TestContext.Current.CancellationToken);
        return [.. read.Entries.Select(entry => entry.Credential.Username), .. read.Problems];
    }

    private Task<SecretContent> Get(PullSecret secret, CancellationToken ct)
    {
        requests++;
        if (failure is not null)
            throw failure;
        return kubernetes.TryGetValue(secret, out var username)
            ? Task.FromResult(new SecretContent("kubernetes.io/dockerconfigjson",
                new()
                {
                    [".dockerconfigjson"] =
                    Encoding.UTF8.GetBytes($$$$"""{"auths":{"r.example.com":{"username":"{{{{username}}}}"}}}""")
                }))
            : throw new KubernetesApiException(HttpStatusCode.NotFound, "NotFound", "GET …: 404");
    }
}
