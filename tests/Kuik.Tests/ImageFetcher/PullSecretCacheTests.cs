using System.Net.Sockets;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>Postgres is a dictionary here, so that its failures come when the test wants them; the integration tests read a real
/// one.</summary>
public sealed class PullSecretCacheTests : IDisposable
{
    private static readonly ImageReference App = ImageReference.Parse("r.example.com/team/app:1");
    private static readonly ImageReference Next = App.With("2");
    private static readonly ImageReference Part = App.With("sha256:" + new string('0', 64));
    private static readonly PullSecret Foo = new("shop", "foo");
    private static readonly PullSecret Bar = new("shop", "bar");
    private static readonly NpgsqlException Refused = new("failed to connect", new SocketException((int)SocketError.ConnectionRefused));
    private static readonly NpgsqlException PoolExhausted = new("the connection pool has been exhausted", new TimeoutException());

    private readonly FakeTimeProvider time = new();
    private readonly List<PullSecretCache> all = [];
    private Func<Task<PullSecret[]>> postgres = () => Task.FromResult(Array.Empty<PullSecret>());
    private int reads;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private PullSecretCache Known => field ??= Start(opensTags: false);

    [Fact]
    public async Task A_tag_is_asked_for_by_itself_and_a_digest_by_its_repository()
    {
        var asked = new List<ImageReference>();
        using var known = new PullSecretCache((image, _) =>
        {
            asked.Add(image);
            return Task.FromResult<IReadOnlyList<PullSecret>>([Foo]);
        }, Settings(opensTags: false), time, NullLogger<PullSecretCache>.Instance);

        foreach (var image in new[] { App, Next, Part, App.With("sha256:" + new string('1', 64)) })
            Assert.Equal([Foo], await known.For(image, Stop));

        Assert.Equal([App, Next, Part], asked);   // the second digest is of the same repository
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_slow_Postgres_opens_no_other_tag(bool opensTags)
    {
        var known = Start(opensTags);
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await known.For(App, Stop);
        postgres = () => new TaskCompletionSource<PullSecret[]>().Task;

        Assert.Empty(await WhenLate(known.For(Next, Stop)));
        postgres = () => Task.FromException<PullSecret[]>(PoolExhausted);
        Assert.Empty(await known.For(App.With("3"), Stop));
        Assert.False(known.OpensTags);
    }

    [Fact]
    public async Task A_late_result_of_a_slow_Postgres_is_used()
    {
        var answer = new TaskCompletionSource<PullSecret[]>();
        postgres = () => answer.Task;

        Assert.Empty(await WhenLate(Known.For(App, Stop)));
        var second = Known.For(App, Stop);
        answer.SetResult([Foo]);

        Assert.Equal([Foo], await second);
        Assert.Equal(1, reads);
    }

    [Fact]
    public async Task While_Postgres_is_slow_the_last_answer_for_this_very_image_is_used()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await Known.For(App, Stop);
        postgres = () => new TaskCompletionSource<PullSecret[]>().Task;
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], await WhenLate(Known.For(App, Stop)));
    }

    [Fact]
    public async Task While_Postgres_refuses_connections_the_last_answer_for_this_very_image_is_used_and_Postgres_left_alone()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await Known.For(App, Stop);
        postgres = () => Task.FromException<PullSecret[]>(Refused);
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], await Known.For(App, Stop));
        Assert.Equal([Foo], await Known.For(App, Stop));
        Assert.Empty(await Known.For(Next, Stop));
        Assert.Equal(3, reads);
    }

    [Fact]
    public async Task The_parts_of_an_image_are_opened_by_what_is_known_of_its_tag_while_Postgres_refuses_connections()
    {
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await Known.For(App, Stop);
        postgres = () => Task.FromException<PullSecret[]>(Refused);

        Assert.Equal([Foo], await Known.For(Part, Stop));
        Assert.Empty(await Known.For(ImageReference.Parse("r.example.com/team/new:1").With(Part.Digest!), Stop));
    }

    [Fact]
    public async Task Where_the_settings_say_so_a_new_tag_is_opened_by_its_repository_while_Postgres_refuses_connections_and_only_then()
    {
        var known = Start(opensTags: true);
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await known.For(App, Stop);
        await known.For(ImageReference.Parse("r.example.com/team/other:1"), Stop);
        postgres = () => Task.FromException<PullSecret[]>(Refused);
        time.Advance(TimeSpan.FromHours(1));

        var (whileDown, isSaid) = (await known.For(Next, Stop), known.OpensTags);
        postgres = () => Task.FromResult<PullSecret[]>([]);
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], whileDown);
        Assert.True(isSaid);
        Assert.Empty(await known.For(Next, Stop));
        Assert.False(known.OpensTags);
    }

    [Fact]
    public async Task After_an_unforeseen_exception_what_was_known_is_used_and_no_other_tag_is_opened()
    {
        var known = Start(opensTags: true);
        postgres = () => Task.FromResult<PullSecret[]>([Foo]);
        await known.For(App, Stop);
        postgres = () => throw new InvalidOperationException("not foreseen");
        time.Advance(TimeSpan.FromHours(1));

        Assert.Equal([Foo], await known.For(App, Stop));
        Assert.Empty(await known.For(Next, Stop));
    }

    [Fact]
    public async Task A_pod_that_was_just_observed_is_known_a_second_later()
    {
        await Known.For(App, Stop);
        postgres = () => Task.FromResult<PullSecret[]>([Foo, Bar]);

        time.Advance(PullSecretCache.Fresh);

        Assert.Equal([Foo, Bar], await Known.For(App, Stop));
    }

    [Fact]
    public async Task Many_pulls_of_an_image_at_once_ask_once()
    {
        var answer = new TaskCompletionSource<PullSecret[]>();
        postgres = () => answer.Task;

        var pulls = Enumerable.Range(0, 50).Select(_ => Known.For(App, Stop)).ToList();
        answer.SetResult([Foo]);

        Assert.All(await Task.WhenAll(pulls), secrets => Assert.Equal([Foo], secrets));
        Assert.Equal(1, reads);
    }

    [Fact]
    public async Task Many_images_at_once_ask_a_few_questions_at_a_time()
    {
        var (now, most) = (0, 0);
        using var known = new PullSecretCache(async (_, _) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Yield();
            Interlocked.Decrement(ref now);
            return [Foo];
        }, Settings(opensTags: false), time, NullLogger<PullSecretCache>.Instance);

        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => known.For(App.With($"v{i}"), Stop)));

        Assert.InRange(most, 1, 8);
    }

    public void Dispose() => all.ForEach(known => known.Dispose());

    private static FetcherOptions Settings(bool opensTags) =>
        new("fetcher-0", TimeSpan.FromMinutes(2), 3) { OpenTagsWithoutPostgres = opensTags };

    private PullSecretCache Start(bool opensTags)
    {
        all.Add(new PullSecretCache(Read, Settings(opensTags), time, NullLogger<PullSecretCache>.Instance));
        return all[^1];
    }

    private async Task<IReadOnlyList<PullSecret>> WhenLate(Task<IReadOnlyList<PullSecret>> asked)
    {
        while (!asked.IsCompleted)
        {
            time.Advance(PullSecretCache.Patience);
            await Task.Yield();
        }
        return await asked;
    }

    // What pods bring for other images than App and its parts is of no use to these tests: other repositories have secrets of their own.
    private async Task<IReadOnlyList<PullSecret>> Read(ImageReference image, CancellationToken ct)
    {
        Interlocked.Increment(ref reads);
        var answer = await postgres();
        return image == App ? answer : image.Name == App.Name ? [] : [Bar];
    }
}
