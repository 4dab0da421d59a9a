using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>Postgres is a dictionary here, so that its failures come when the test wants them; the integration tests read a real one.</summary>
public sealed class KnownPullSecretsTests
{
    private static readonly ImageReference App = ImageReference.Parse("r.example.com/team/app:1");
    private static readonly ImageReference Next = App.With("2");
    private static readonly ImageReference Part = App.With("sha256:" + new string('0', 64));
    private static readonly PullSecret Foo = new("shop", "foo");
    private static readonly PullSecret Bar = new("shop", "bar");

    private readonly FakeTimeProvider time = new();
    private Func<Task<PullSecret[]>> postgres = () => Task.FromResult(Array.Empty<PullSecret>());
    private int reads;

    private KnownPullSecrets Known => field ??= new KnownPullSecrets(Read, time, NullLogger<KnownPullSecrets>.Instance);

    [Fact]
    public async Task A_tag_is_opened_by_the_secrets_of_the_pods_that_use_it_and_another_tag_of_the_repository_is_not()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo, Bar]);

        Assert.Equal([Foo, Bar], await Known.For(App, TestContext.Current.CancellationToken));
        Assert.Empty(await Known.For(Next, TestContext.Current.CancellationToken));
        Assert.Empty(await Known.For(ImageReference.Parse("r.example.com/team/other:1"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_digest_is_opened_by_whatever_pods_bring_for_its_repository()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo, Bar]);

        Assert.Equal([Foo, Bar], await Known.For(Part, TestContext.Current.CancellationToken));
        Assert.Empty(await Known.For(ImageReference.Parse("r.example.com/team/other:1").With(Part.Digest!), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task After_an_unforeseen_exception_what_was_known_is_used_and_no_other_tag_is_opened()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await Known.For(App, TestContext.Current.CancellationToken);
        postgres = () => throw new InvalidOperationException("not foreseen");
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], await Known.For(App, TestContext.Current.CancellationToken));
        Assert.Empty(await Known.For(Next, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task While_Postgres_is_down_a_new_tag_is_opened_by_what_was_known_of_its_repository_and_only_then()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await Known.For(App, TestContext.Current.CancellationToken);
        postgres = () => throw new NpgsqlException("connection refused");
        time.Advance(TimeSpan.FromHours(1));

        var whileDown = await Known.For(Next, TestContext.Current.CancellationToken);
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], whileDown);
        Assert.Empty(await Known.For(Next, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_pod_that_was_just_observed_is_known_a_second_later()
    {
        await Known.For(App, TestContext.Current.CancellationToken);
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);

        time.Advance(KnownPullSecrets.Fresh);

        Assert.Equal([Foo], await Known.For(App, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Many_pulls_at_once_read_the_table_once()
    {
        var answer = new TaskCompletionSource<PullSecret[]>();
        postgres = () => answer.Task;

        var pulls = Enumerable.Range(0, 50).Select(_ => Known.For(App, TestContext.Current.CancellationToken)).ToList();
        answer.SetResult([Foo]);

        Assert.All(await Task.WhenAll(pulls), secrets => Assert.Equal([Foo], secrets));
        Assert.Equal(1, reads);
    }

    [Fact]
    public async Task While_Postgres_is_down_what_was_known_is_kept_and_Postgres_left_alone()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await Known.For(App, TestContext.Current.CancellationToken);

        postgres = () => throw new NpgsqlException("connection refused");
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], await Known.For(App, TestContext.Current.CancellationToken));
        Assert.Equal([Foo], await Known.For(App, TestContext.Current.CancellationToken));
        Assert.Equal(2, reads);
    }

    [Fact]
    public async Task A_Postgres_that_does_not_answer_holds_a_pull_up_for_a_second_only()
    {
        var asked = new TaskCompletionSource();
        postgres = () => { asked.SetResult(); return new TaskCompletionSource<PullSecret[]>().Task; };

        var pull = Known.For(App, TestContext.Current.CancellationToken);
        await asked.Task;
        time.Advance(KnownPullSecrets.Patience);

        Assert.Empty(await pull);
    }

    private async Task<IReadOnlyDictionary<string, IReadOnlyList<PullSecret>>> Read(CancellationToken ct)
    {
        reads++;
        return new Dictionary<string, IReadOnlyList<PullSecret>> { [App.ToString()] = await postgres() };
    }
}
