using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Kuik.Hosting;

/// <summary>
/// Makes a process that a fault of one of its background services has ended say so with its exit code: the host stops then as if it had been told
/// to, and would exit with 0, which an init system, a Job or a person takes for a good end.
/// </summary>
internal sealed class FaultExitCode(IServiceProvider services, IHostApplicationLifetime lifetime) : IHostedService
{
    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        lifetime.ApplicationStopping.Register(() =>
        {
            if (services.GetServices<IHostedService>().OfType<BackgroundService>().Any(service => service.ExecuteTask?.IsFaulted == true))
                Environment.ExitCode = ExitCodes.Failed;
        });
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
