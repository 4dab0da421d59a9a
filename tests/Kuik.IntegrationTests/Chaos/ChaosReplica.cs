using Kuik.Testing;

namespace Kuik.IntegrationTests.Chaos;

/// <summary>One replica of a service, which the test kills, ends and starts again; that it ends by itself is a problem.</summary>
internal sealed class ChaosReplica(string name, KuikService service)
{
    private static readonly TimeSpan LongestStop = TimeSpan.FromSeconds(60);

    public string Name => name;

    public KuikService Service => service;

    /// <summary>The test has ended it.</summary>
    public bool IsDown { get; private set; }

    /// <summary>It has ended, and the test has not ended it.</summary>
    public bool HasEndedByItself => !IsDown && service.Process.HasExited;

    /// <summary>The last lines of its log.</summary>
    public string Tail => string.Join('\n', service.Log.Split('\n').TakeLast(200));

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        IsDown = true;
        service.Kill();
    }

    /// <summary>SIGTERM, and waits until it has ended.</summary>
    /// <returns>Its exit code.</returns>
    /// <exception cref="ServerFailedException">It is still there after a minute.</exception>
    public async Task<int> Stop()
    {
        IsDown = true;
        await service.Process.Stop(within: LongestStop);
        return service.Process.ExitCode!.Value;
    }

    /// <summary>Starts it again, and waits for nothing: what it needs may be away.</summary>
    public async Task Start()
    {
        await service.Restart();
        IsDown = false;
    }
}
