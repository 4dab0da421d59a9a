using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class ControllerTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new();
    private readonly CancellationTokenSource stop = new();
    private readonly WorkQueue queue;
    private readonly Scripted reconciler = new();
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private Controller controller = null!;
    private Task running = Task.CompletedTask;

    public ControllerTests() => queue = new WorkQueue(time);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
        queue.Dispose();
        await services.DisposeAsync();
    }

    [Fact]
    public async Task While_postgres_refuses_every_write_few_attempts_are_made_and_afterwards_every_key_is_done()
    {
        reconciler.Fault = _ => new PostgresException("could not extend file: No space left on device", "ERROR", "ERROR", "53100");
        Start(workers: 4, batch: 50);
        queue.Add(Enumerable.Range(0, 3000).Select(i => $"pod {i}"));

        await Eventually.True(() => reconciler.Calls >= 4, "every worker has tried");
        for (var second = 0; second < 600; second++)
            await Pass(TimeSpan.FromSeconds(1));

        Assert.InRange(reconciler.Calls, 4, 200);   // four workers, each at most once in half a longest pause
        await Eventually.True(() => controller.Problem?.Contains("No space left on device", StringComparison.Ordinal) == true,
            "the cause is named");
        reconciler.Fault = _ => null;
        await Eventually.True(() => { time.Advance(TimeSpan.FromSeconds(1)); return queue.Depth == 0; }, "every key is done");
        Assert.Null(controller.Problem);
    }

    [Fact]
    public async Task Keys_that_the_api_refuses_keep_no_other_waiting_and_are_named()
    {
        reconciler.Fault = key => key.StartsWith("bad", StringComparison.Ordinal)
            ? new KubernetesApiException(HttpStatusCode.Forbidden, null, "PATCH x: 403")
            : null;
        Start(workers: 4, batch: 1);
        queue.Add(Enumerable.Range(0, 100).Select(i => $"bad {i}"));
        queue.Add(Enumerable.Range(0, 500).Select(i => $"good {i}"));

        await Eventually.True(() => reconciler.Done.Count == 500, "the good ones are done without any time passing");

        await Eventually.True(() => controller.Problem == "100 things not up to date: PATCH x: 403", "the others are named");
    }

    [Fact]
    public async Task One_key_that_fails_in_a_batch_is_tried_alone_and_the_others_are_done()
    {
        reconciler.Fault = key => key == "bad" ? new InvalidOperationException("no name is left") : null;
        Start(workers: 1, batch: 50);
        queue.Add(["a", "bad", "b"]);

        await Eventually.True(() => { time.Advance(TimeSpan.FromSeconds(1)); return reconciler.Done.Count == 2; }, "the others are done");

        Assert.Equal("1 things not up to date: InvalidOperationException: no name is left", controller.Problem);
    }

    private void Start(int workers, int batch)
    {
        var metrics = new WatcherMetrics(services.GetRequiredService<IMeterFactory>(), new ClusterObservation(time), time);
        controller = new Controller(new ControllerOptions("things", workers, batch), queue, reconciler, metrics, time,
            NullLogger<Controller>.Instance);
        running = controller.Run(stop.Token);
    }

    private async Task Pass(TimeSpan duration)
    {
        time.Advance(duration);
        for (var i = 0; i < 5; i++)
            await Task.Yield();
    }

    private sealed class Scripted : IReconciler
    {
        private int calls;

        public Func<string, Exception?> Fault { get; set; } = _ => null;

        public int Calls => calls;

        public ConcurrentDictionary<string, bool> Done { get; } = new();

        public Task Reconcile(IReadOnlyList<string> keys, CancellationToken ct)
        {
            Interlocked.Increment(ref calls);
            if (keys.Select(Fault).OfType<Exception>().FirstOrDefault() is { } fault)
                return Task.FromException(fault);
            foreach (var key in keys)
                Done[key] = true;
            return Task.CompletedTask;
        }
    }
}
