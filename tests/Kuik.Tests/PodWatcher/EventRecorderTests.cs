using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Kuik.Testing;
using Kuik.Tests.Webhook;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using KubernetesApi = Kuik.Kubernetes.KubernetesApi;

namespace Kuik.Tests.PodWatcher;

/// <summary>At a Kubernetes API in this process.</summary>
public sealed class EventRecorderTests : IAsyncLifetime
{
    private const string Path = "api/v1/namespaces/default/events";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider time = new(Noon);
    private readonly ConcurrentQueue<string> lines = new();
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly CancellationTokenSource stop = new();
    private readonly LoggerFactory logs;
    private readonly List<Task> running = [];
    private ScriptedKubernetes kubernetes = null!;

    public EventRecorderTests() => logs = new LoggerFactory([new KeepLines(lines)]);

    public async ValueTask InitializeAsync() => kubernetes = await ScriptedKubernetes.Start();

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        foreach (var task in running)
            await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
        await kubernetes.DisposeAsync();
        await services.DisposeAsync();
        logs.Dispose();
    }

    [Fact]
    public async Task An_event_that_is_recorded_again_and_again_is_one_object_that_counts()
    {
        var recorder = Start();
        recorder.Record(Failure(1));
        recorder.Record(Failure(1));
        await Until(() => Count() == 1, "the first one is written");

        recorder.Record(Failure(7));

        await Until(() => Count() == 7, "it counts");
        Assert.Equal((1, 2), (kubernetes.Requests("create", "events"), kubernetes.Requests("patch", "events")));
        var found = Assert.Single(kubernetes.List(Path));
        Assert.Equal(("2026-01-01T12:00:00Z", "2026-01-01T12:06:00Z"), ((string?)found["firstTimestamp"], (string?)found["lastTimestamp"]));
    }

    [Fact]
    public async Task After_a_restart_nothing_is_written_twice()
    {
        var once = Once("once");
        var first = Start();
        first.Record(Failure(3));
        first.Record(once);
        await Until(() => kubernetes.Count(Path) == 2, "both are written");
        var versions = Versions();

        var second = Start();
        second.Record(Failure(3));
        second.Record(once);
        second.Record(Once("later"));

        await Until(() => kubernetes.Count(Path) == 3, "what is new is written");
        Assert.Superset(versions, Versions());
    }

    [Fact]
    public async Task An_API_that_refuses_events_loses_them_and_is_named_once()
    {
        kubernetes.Script = request =>
            request.Resource == "events" ? ScriptedAnswers.Refuse(403, "Forbidden", "events is forbidden") : null;
        var recorder = Start();

        for (var i = 0; i < 50; i++)
            recorder.Record(Once($"e{i}"));

        await Until(() => kubernetes.Requests("create", "events") == 50, "each is tried once");
        Assert.Contains("events is forbidden", Assert.Single(lines), StringComparison.Ordinal);
        kubernetes.Script = _ => null;
        recorder.Record(Failure(1));
        await Until(() => Count() == 1, "later ones are written");
        Assert.Single(lines);
    }

    [Fact]
    public async Task An_API_that_is_overloaded_is_asked_again_later()
    {
        kubernetes.Script = request => request is { Resource: "events", Verb: "patch", Count: 0 }
            ? ScriptedAnswers.Refuse(429, "TooManyRequests", retryAfter: TimeSpan.FromSeconds(5))
            : null;
        var recorder = Start();

        recorder.Record(Failure(1));

        await Until(() => Count() == 1, "it is written");
        Assert.Equal(2, kubernetes.Requests("patch", "events"));
    }

    [Fact]
    public async Task While_nothing_answers_recording_goes_on_and_the_oldest_are_dropped()
    {
        var open = new TaskCompletionSource();
        kubernetes.Script = request => request.Resource == "events" ? ScriptedAnswers.StallInHeaders(open.Task) : null;
        var recorder = Start();

        for (var i = 0; i < EventRecorder.QueueLimit + 500; i++)
            recorder.Record(Once($"e{i}"));
        open.SetResult();

        await Until(() => kubernetes.Find($"{Path}/e{EventRecorder.QueueLimit + 499}") is not null, "the newest is written");
        Assert.InRange(kubernetes.Count(Path), EventRecorder.QueueLimit, EventRecorder.QueueLimit + 1);
    }

    private EventRecorder Start()
    {
        var api = new KubernetesApi(KubernetesAccess.Connect(kubernetes.Kubeconfig));
        var metrics = new WatcherMetrics(services.GetRequiredService<IMeterFactory>(), new ClusterObservation(time), time);
        var recorder = new EventRecorder(api, metrics, time, logs.CreateLogger<EventRecorder>());
        running.Add(recorder.Run(stop.Token));
        return recorder;
    }

    private int? Count() => (int?)kubernetes.Find($"{Path}/nginx.0123456789abcdef")?["count"];

    private HashSet<string> Versions() => [.. kubernetes.List(Path).Select(item => (string)item["metadata"]!["resourceVersion"]!)];

    // Waits and the pace are on the clock of the test.
    private Task Until(Func<bool> condition, string what) => Eventually.True(
        () =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return condition();
        },
        what, TimeSpan.FromMinutes(2));

    private static KubernetesEvent Once(string name) =>
        Failure(1) with { Metadata = new ObjectMeta { Name = name, Namespace = "default" }, IsOnce = true };

    private static KubernetesEvent Failure(int count) => new()
    {
        Metadata = new ObjectMeta { Name = "nginx.0123456789abcdef", Namespace = "default" },
        InvolvedObject = new ObjectReference("kuik.enix.io/v1alpha1", "CachedImage", null, "nginx", "u"),
        Type = "Warning",
        Reason = "AccessDenied",
        Message = "docker.io refused access",
        Count = count,
        FirstTimestamp = Noon.AddMinutes(count - 1),
        LastTimestamp = Noon.AddMinutes(count - 1),
        Source = new EventSource("kuik"),
    };
}
