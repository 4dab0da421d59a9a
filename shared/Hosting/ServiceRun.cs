using Microsoft.AspNetCore.Builder;

namespace Kuik.Hosting;

/// <summary>How a service runs.</summary>
public static class ServiceRun
{
    /// <summary>Runs the service until it is told to stop, also before it has started: then Kestrel's start throws, which is no fault and would
    /// end the process with exit code 134.</summary>
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
