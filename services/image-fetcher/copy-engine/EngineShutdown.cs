using Microsoft.Extensions.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Drains the engine before the host closes its listener, and stops it after that.</summary>
internal sealed class EngineShutdown(Engine engine) : IHostedLifecycleService
{
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await engine.Drain.Complete(cancellationToken);
        engine.Stop();
        await engine.Drain.CutRequests(cancellationToken);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
