using MassTransit;

namespace Kuik.ImageFetcher;

/// <summary>Stops taking work from the bus as soon as the process is told to stop; the host would do it only after the drain.</summary>
internal sealed class ConsumerShutdown(IServiceProvider services) : IHostedLifecycleService
{
    // It is the hosted service that is stopped, not the bus: it does so once, and the host's own call finds it stopped.
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.WhenAll(
        services.GetServices<IHostedService>().OfType<MassTransitHostedService>().Select(bus => bus.StopAsync(cancellationToken)));

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
