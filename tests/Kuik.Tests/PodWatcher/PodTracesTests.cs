using System.Collections.Concurrent;
using System.Diagnostics;
using Kuik.Contracts;
using Kuik.PodWatcher;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class PodTracesTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _time = new(Noon);
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly PodTraces _traces;
    private ActivityListener? _listener;

    public PodTracesTests() => _traces = new PodTraces(_time);

    public void Dispose() => _listener?.Dispose();

    [Fact]
    public void Pods_that_are_recorded_together_continue_the_trace_of_each()
    {
        Listen();
        var (a, b) = (Trace('a'), Trace('b'));
        _traces.Note(Pod("1", a));
        _traces.Note(Pod("2", b));
        string?[] within = new string?[3];

        using (var spans = _traces.Begin([Live("1"), Live("2"), Live("3")]))
            for (var uid = 1; uid <= 3; uid++)
                spans.Within($"{uid}", () => within[uid - 1] = Activity.Current?.TraceId.ToString());

        Assert.Equal([a.Split('-')[1], b.Split('-')[1], null], within);
        Assert.Null(Activity.Current);
        Assert.Equal([a.Split('-')[2], b.Split('-')[2]], _ended.Select(span => span.ParentSpanId.ToString()).Order());
    }

    [Fact]
    public void Each_attempt_to_record_a_pod_is_in_its_trace_until_it_is_recorded()
    {
        Listen();
        _traces.Note(Pod("1", Trace('a')));

        _traces.Begin([Live("1")]).Dispose();
        _traces.Begin([Live("1")]).Dispose();
        _traces.Forget("1");
        _traces.Begin([Live("1")]).Dispose();

        Assert.Equal(2, _ended.Count);
    }

    [Theory]
    [InlineData("nonsense", 0)]
    [InlineData("", 0)]
    [InlineData(null, 6)]
    public void A_trace_that_cannot_be_read_or_is_of_long_ago_is_none(string? annotation, int minutes)
    {
        Listen();
        _time.Advance(TimeSpan.FromMinutes(minutes));
        _traces.Note(Pod("1", annotation ?? Trace('a')));

        _traces.Begin([Live("1")]).Dispose();

        Assert.Empty(_ended);
    }

    [Fact]
    public void Without_an_exporter_nothing_is_kept()
    {
        _traces.Note(Pod("1", Trace('a')));
        Listen();

        _traces.Begin([Live("1")]).Dispose();

        Assert.Empty(_ended);
    }

    private static string Trace(char digit) => $"00-{new string(digit, 32)}-{new string(digit, 16)}-01";

    private static LiveUser Live(string uid) => new(uid, "apps", "web-" + uid, [], [], "apps/default");

    private static Pod Pod(string uid, string traceParent) => new()
    {
        Metadata = new PodMeta
        {
            Uid = uid,
            CreationTimestamp = Noon,
            Annotations = new Dictionary<string, string> { [Names.TraceAnnotation] = traceParent },
        },
    };

    private void Listen()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Kuik.PodWatcher",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }
}
