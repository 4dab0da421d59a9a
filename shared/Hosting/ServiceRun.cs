using Microsoft.AspNetCore.Builder;

namespace Kuik.Hosting;

/// <summary>Runs a service.</summary>
public static class ServiceRun
{
    /// <summary>
    /// Runs the service until it is told to stop, also during its start: Kestrel's start then throws, which is not a fault and would
    /// end the process with exit code 134.
    /// </summary>
    public static async Task RunUntilStoppedAsync(this WebApplication app)
    {
        var stopping = app.Lifetime.ApplicationStopping;
        try
        {
            await app.RunAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return;
        }
    }
}
