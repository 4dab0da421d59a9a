using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Kuik.Hosting;

/// <summary>
/// Sets the exit code of a process that was stopped by an exception of a background service: the host then stops as on a signal, and would
/// exit with 0, which an init system, a Job or an operator takes for success.
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
