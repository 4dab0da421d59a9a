using System.Text;
using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class ManifestCacheTests
{
    private static readonly ImageReference Tag = ImageReference.Parse("reg.example.com/team/web:1");
    private static readonly Answer.ManifestAnswer Old = ManifestOf("old");
    private static readonly Answer.ManifestAnswer New = ManifestOf("new");
    private static readonly Answer.Passed Silent = new("it did not answer in time", IsSilent: true);
    private static readonly Answer.Passed Absent = new("not cached");

    private readonly FakeTimeProvider _time = new();
    private readonly ScriptedSource _cache = new("cache");
    private readonly ScriptedSource _origin = new("origin");
    private readonly ManifestCache _memory;

    public ManifestCacheTests() => _memory = Remember(new ManifestCacheOptions());

    [Fact]
    public async Task What_a_tag_names_is_given_without_asking_until_its_time_is_over()
    {
        _cache.Says(Old);
        await Get(Tag);

        After(4.9);
        var then = _memory.Find(Tag, onlyHead: false);
        After(0.1);

        Assert.Same(Old.Bytes, then?.Manifest?.Bytes);
        Assert.Null(_memory.Find(Tag, onlyHead: false));
        Assert.Single(_cache.Asked);
    }

    [Fact]
    public async Task A_tag_that_was_moved_is_seen_as_soon_as_the_time_is_over()
    {
        _cache.Says(Old);
        await Get(Tag);
        _cache.Says(New);

        After(5);

        Assert.Same(New, (await Get(Tag)).Manifest);
        Assert.Same(New, _memory.Find(Tag, onlyHead: true)?.Manifest);
    }

    [Fact]
    public async Task The_time_counts_from_the_question_and_not_from_the_answer()
    {
        var answer = Hold(_cache);
        var asking = Get(Tag);
        After(6);
        answer.SetResult(Old);
        await asking;

        Assert.Null(_memory.Find(Tag, onlyHead: false));
    }

    [Fact]
    public async Task What_a_tag_named_is_known_by_digest_in_the_same_repository_and_in_no_other()
    {
        _cache.Says(Old);
        await Get(Tag);

        Assert.Same(Old, _memory.Find(Tag.With(Old.Digest), onlyHead: false)?.Manifest);
        Assert.Null(_memory.Find(ImageReference.Parse($"reg.example.com/other/web@{Old.Digest}"), onlyHead: false));
    }

    [Fact]
    public async Task An_evicted_image_is_removed_by_tag_and_by_digest_also_while_no_source_answers()
    {
        _cache.Says(Old);
        await Get(Tag);
        _cache.Says(Absent);
        After(5);

        var evicted = (await Get(Tag), await Get(Tag.With(Old.Digest)));
        _cache.Says(Silent);

        Assert.Equal((502, 502), (StatusOf(evicted.Item1), StatusOf(evicted.Item2)));
        Assert.Equal(502, StatusOf(await Get(Tag)));
        Assert.Equal(502, StatusOf(await Get(Tag.With(Old.Digest))));
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    public async Task A_refusal_hides_what_has_just_been_cached_for_the_miss_time_and_no_longer(int status)
    {
        _cache.Says(new Answer.Refused(status, "{}", null));
        await Get(Tag);
        _cache.Says(Old);

        After(0.9);
        Assert.Equal(status, StatusOf(_memory.Find(Tag, onlyHead: false)!));
        After(0.1);
        Assert.Null(_memory.Find(Tag, onlyHead: false));
        Assert.Same(Old, (await Get(Tag)).Manifest);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("60", 1)]
    [InlineData(null, 1)]
    public async Task A_rate_limit_is_remembered_for_the_miss_time_but_not_beyond_its_end(string? retryAfter, int seconds)
    {
        _cache.Says(new Answer.Refused(429, "{}", retryAfter));
        await Get(Tag);

        Assert.Equal(seconds > 0, _memory.Find(Tag, onlyHead: false) is not null);
        After(seconds);
        Assert.Null(_memory.Find(Tag, onlyHead: false));
    }

    [Theory]
    [InlineData(502)]
    [InlineData(504)]
    public async Task A_lookup_that_no_source_answered_is_not_cached(int status)
    {
        _cache.Says(new Answer.Refused(status, "{}", null));

        await Get(Tag);

        Assert.Null(_memory.Find(Tag, onlyHead: false));
    }

    [Fact]
    public async Task A_refusal_to_a_GET_says_nothing_about_a_HEAD()
    {
        _cache.Says(new Answer.Refused(429, "{}", null));

        await Get(Tag);

        Assert.Null(_memory.Find(Tag, onlyHead: true));
    }

    [Fact]
    public async Task While_the_cache_is_silent_the_last_known_manifest_is_served_and_no_later_source_is_asked()
    {
        _cache.Says(Old);
        await Get(Tag);
        _cache.Says(Silent);
        After(600);

        var (first, outcome) = await _memory.Ask(Tag, onlyHead: false, default);
        var second = _memory.Find(Tag, onlyHead: false);

        Assert.Same(Old, first.Manifest);
        Assert.Same(Old, second?.Manifest);
        Assert.Equal(new PullOutcome(PullOutcome.Memory, "as last known; cache: it did not answer in time"), outcome);
        Assert.Equal(outcome, second!.Freshness.FromMemory);
        Assert.Empty(_origin.Asked);
    }

    [Fact]
    public async Task The_last_known_is_given_no_longer_than_the_stale_time_after_it_was_confirmed()
    {
        _cache.Says(Old);
        await Get(Tag);
        _cache.Says(Silent);
        After(3599);
        await Get(Tag);

        After(5);

        Assert.Equal(502, StatusOf(await Get(Tag)));
    }

    [Fact]
    public async Task A_manifest_of_the_origin_is_served_while_the_origin_is_unreachable_and_the_cache_does_not_have_it()
    {
        _origin.Says(Old);
        await Get(Tag);
        _origin.Says(Silent);
        After(60);

        Assert.Same(Old, (await Get(Tag)).Manifest);
    }

    [Fact]
    public async Task What_came_from_the_origin_does_not_stand_against_its_verdict()
    {
        _origin.Says(Old);
        await Get(Tag);
        _origin.Says(new Answer.Refused(401, "{}", null));
        After(60);

        Assert.Equal(401, StatusOf(await Get(Tag)));
        Assert.Equal(401, StatusOf(_memory.Find(Tag, onlyHead: false)!));
    }

    [Fact]
    public async Task A_source_that_takes_its_time_is_waited_for_once_and_its_answer_is_taken_when_it_comes()
    {
        _cache.Says(Old);
        await Get(Tag);
        After(60);
        var answer = Hold(_cache);

        var first = Get(Tag);
        Assert.False(first.IsCompleted);
        After(0.5);
        Assert.Same(Old, (await first).Manifest);
        var second = Get(Tag);
        Assert.True(second.IsCompletedSuccessfully);
        Assert.Same(Old, (await second).Manifest);

        answer.SetResult(New);
        await Eventually.True(() => _memory.Find(Tag, onlyHead: false)?.Manifest == New, "the answer that came late is known");
        Assert.Equal(2, _cache.Asked.Count);
    }

    [Fact]
    public async Task Concurrent_requests_share_one_lookup_and_a_cancelled_one_does_not_end_it_for_others()
    {
        var answer = Hold(_cache);
        using var leaves = new CancellationTokenSource();
        var all = Enumerable.Range(0, 10).Select(i => Get(Tag, i == 0 ? leaves.Token : default)).ToList();

        await leaves.CancelAsync();
        answer.SetResult(Old);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => all[0]);
        Assert.All(await Task.WhenAll(all[1..]), known => Assert.Same(Old, known.Manifest));
        Assert.Single(_cache.Asked);
    }

    [Fact]
    public async Task A_question_is_given_up_when_the_last_one_has_left()
    {
        Hold(_cache);
        using var leaves = new CancellationTokenSource();
        var all = Enumerable.Range(0, 3).Select(_ => Get(Tag, leaves.Token)).ToList();

        await leaves.CancelAsync();

        foreach (var one in all)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one);
        Assert.Equal(0, _memory.UnderWay);
    }

    [Fact]
    public async Task Who_joins_a_question_too_late_to_trust_its_refusal_asks_anew()
    {
        var answer = Hold(_cache);
        var first = Get(Tag);
        After(2);
        var late = Get(Tag);
        _cache.Says(Old);

        answer.SetResult(new Answer.Refused(404, "{}", null));

        Assert.Equal(404, StatusOf(await first));
        Assert.Same(Old, (await late).Manifest);
    }

    [Fact]
    public async Task What_a_HEAD_found_without_bytes_answers_no_GET_and_a_later_HEAD_takes_no_bytes_away()
    {
        _cache.Says(Old with { Bytes = null });
        await _memory.Ask(Tag, onlyHead: true, default);
        Assert.NotNull(_memory.Find(Tag, onlyHead: true));
        Assert.Null(_memory.Find(Tag, onlyHead: false));

        _cache.Says(Old);
        await Get(Tag);
        _cache.Says(Old with { Bytes = null });
        After(5);
        await _memory.Ask(Tag, onlyHead: true, default);

        Assert.Same(Old.Bytes, _memory.Find(Tag, onlyHead: false)?.Manifest?.Bytes);
    }

    [Fact]
    public async Task A_note_about_a_lookup_is_logged_once()
    {
        _cache.Says(new Answer.Passed("CORRUPT"));
        _origin.Says(Old);

        var (_, outcome) = await _memory.Ask(Tag, onlyHead: false, default);

        Assert.Equal(new PullOutcome("origin", "cache: CORRUPT"), outcome);
        Assert.Equal(new PullOutcome(PullOutcome.Memory, ""), _memory.Find(Tag, onlyHead: false)?.Freshness.FromMemory);
    }

    [Fact]
    public async Task Whatever_names_are_asked_for_the_memory_stays_within_its_limit()
    {
        var memory = Remember(new ManifestCacheOptions { LimitInBytes = 100_000 });
        for (var i = 0; i < 5_000; i++)
        {
            _cache.Says(i % 2 == 0 ? new Answer.Refused(404, "{}", null) : ManifestOf(new string('x', i)));
            await memory.Ask(ImageReference.Parse($"host{i}.example.com/a:{i}"), onlyHead: false, default);
        }

        Assert.InRange(memory.SizeInBytes, 50_000, 120_000);
        Assert.Equal(0, memory.UnderWay);
    }

    private ManifestCache Remember(ManifestCacheOptions settings) => new(new SourceChain([_cache, _origin]), settings, _time);

    private async Task<KnownManifest> Get(ImageReference image, CancellationToken ct = default) =>
        (await _memory.Ask(image, onlyHead: false, ct)).Known;

    private void After(double seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

    private static TaskCompletionSource<Answer> Hold(ScriptedSource source)
    {
        var answer = new TaskCompletionSource<Answer>();
        source.Script = stop => answer.Task.WaitAsync(stop);
        return answer;
    }

    private static int? StatusOf(KnownManifest known) => (known.Answer as Answer.Refused)?.Status;

    private static Answer.ManifestAnswer ManifestOf(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return new Answer.ManifestAnswer(Digest.Sha256(bytes), MediaTypes.OciManifest, bytes.Length, bytes);
    }
}
