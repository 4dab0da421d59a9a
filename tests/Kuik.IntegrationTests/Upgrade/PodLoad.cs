using System.Globalization;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Upgrade;

/// <summary>Pods that come and go until the end of the test, and one that stays.</summary>
internal sealed class PodLoad : IAsyncDisposable
{
    private const int MostPods = 30;
    private const int Images = 8;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly ScriptedKubernetes _kubernetes;
    private readonly Random _random = new(1);
    private readonly Queue<string> _pods = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly Task _running;
    private int _steps;

    /// <param name="kubernetes">Where.</param>
    /// <param name="alwaysUsed">The image of the pod that stays.</param>
    public PodLoad(ScriptedKubernetes kubernetes, string alwaysUsed)
    {
        _kubernetes = kubernetes;
        kubernetes.AddPod("apps", "always", alwaysUsed);
        _running = Run();
    }

    /// <summary>Waits for so many more pods to come or go.</summary>
    public Task Goes(int on)
    {
        var until = Volatile.Read(ref _steps) + on;
        return Eventually.True(() => Volatile.Read(ref _steps) >= until, "pods come and go");
    }

    /// <summary>Lets nothing come or go meanwhile.</summary>
    public async Task Hold(Func<Task> meanwhile)
    {
        await _turn.WaitAsync();
        try
        {
            await meanwhile();
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _turn.Dispose();
    }

    private async Task Run()
    {
        using var pause = new PeriodicTimer(Pause);
        while (await pause.WaitForNextTickAsync(_stop.Token))
        {
            await _turn.WaitAsync(_stop.Token);
            Step();
            _turn.Release();
        }
    }

    private void Step()
    {
        if (_pods.Count > MostPods || (_pods.Count > MostPods / 2 && _random.Next(2) == 0))
        {
            _kubernetes.RemovePod("apps", _pods.Dequeue());
        }
        else
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"pod-{_steps}");
            _kubernetes.AddPod("apps", name,
                string.Create(CultureInfo.InvariantCulture, $"registry.example/team/app-{_random.Next(Images)}:1"));
            _pods.Enqueue(name);
        }
        Interlocked.Increment(ref _steps);
    }
}
