using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.NodeProxy;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class TagResolverTests
{
    private static readonly ImageReference Image = ImageReference.Parse("reg.example.com/a:1");
    private static readonly string First = "sha256:" + new string('1', 64);
    private static readonly string Second = "sha256:" + new string('2', 64);

    private readonly FakeTimeProvider _time = new();
    private readonly Origin _origin = new();

    [Fact]
    public async Task A_tag_is_what_its_origin_says_and_is_asked_for_again_when_that_is_old()
    {
        var follow = Follow();
        _origin.Says(First);

        Assert.Equal(First, (await follow.Resolve(Image, CancellationToken.None)).Digest);
        _origin.Says(Second);
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(First, (await follow.Resolve(Image, CancellationToken.None)).Digest);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Second, (await follow.Resolve(Image, CancellationToken.None)).Digest);

        Assert.Equal(2, _origin.Asked);
    }

    [Fact]
    public async Task An_origin_that_failed_is_left_alone_for_a_while()
    {
        var follow = Follow();
        _origin.Fails();

        Assert.Equal(Image, await follow.Resolve(Image, CancellationToken.None));
        _origin.Says(First);
        Assert.Equal(Image, await follow.Resolve(Image, CancellationToken.None));
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal(First, (await follow.Resolve(Image, CancellationToken.None)).Digest);
    }

    [Fact]
    public async Task A_tag_is_not_followed_to_a_manifest_that_no_source_has()
    {
        var follow = Follow();
        _origin.Says(First);
        _origin.HasNothing = true;

        Assert.Equal(Image, await follow.Resolve(Image, CancellationToken.None));
    }

    [Fact]
    public async Task No_request_waits_for_a_silent_origin_longer_than_the_patience_and_a_late_answer_counts()
    {
        var follow = Follow();
        var silent = _origin.SaysLater();

        var waiting = follow.Resolve(Image, CancellationToken.None);
        Assert.False(waiting.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.7));
        Assert.Equal(Image, await waiting);
        Assert.Equal(Image, await follow.Resolve(Image, CancellationToken.None));   // without any wait: time stands still here
        silent.SetResult(First);

        await Testing.Eventually.True(async () => (await follow.Resolve(Image, CancellationToken.None)).Digest == First,
            "the late answer is used");
        Assert.Equal(1, _origin.Asked);
    }

    [Fact]
    public async Task Concurrent_requests_share_one_request_to_the_origin()
    {
        var follow = Follow();
        var later = _origin.SaysLater();

        var all = Enumerable.Range(0, 50).Select(_ => follow.Resolve(Image, CancellationToken.None)).ToList();
        later.SetResult(First);

        Assert.All(await Task.WhenAll(all), image => Assert.Equal(First, image.Digest));
        Assert.Equal(1, _origin.Asked);
    }

    private TagResolver Follow() => new(
        [_origin], new ManifestCache(new SourceChain([_origin]), new ManifestCacheOptions(), _time),
        new ProxyOptions { Port = 0, PreviousPorts = [], MetricsUrls = [], Cache = new Uri("http://cache"), Fetcher = null }, _time,
        new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance));

    /// <summary>A source on a script: a fake, because these tests are about what is made of its answers.</summary>
    private sealed class Origin : IPullSource
    {
        private Func<Task<string?>> _answer = () => Task.FromResult<string?>(null);
        private int _asked;

        public string Name => "origin";

        public int Asked => _asked;

        public bool HasNothing { get; set; }

        public void Says(string digest) => _answer = () => Task.FromResult<string?>(digest);

        public void Fails() => _answer = () => Task.FromResult<string?>(null);

        public TaskCompletionSource<string?> SaysLater()
        {
            var later = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
            _answer = () => later.Task;
            return later;
        }

        public async Task<Answer> AskTag(ImageReference image, CancellationToken ct)
        {
            Interlocked.Increment(ref _asked);
            return await _answer() is { } digest ? new Answer.ManifestAnswer(digest, "", 1, null) : new Answer.Passed("unreachable");
        }

        public Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct) =>
            Task.FromResult<Answer>(HasNothing ? new Answer.Passed("unreachable") : new Answer.ManifestAnswer(image.Digest!, "", 0, []));

        public Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct) =>
            throw new NotSupportedException();
    }
}
