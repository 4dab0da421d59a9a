using Kuik.Hosting;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.Webhook;

/// <summary>
/// Keeps the listener open for a while after SIGTERM: Kubernetes sends the signal and takes the pod out of the Service at the same time,
/// so that API servers still call a pod that is ending. Meanwhile readiness fails and each answer closes its connection.
/// </summary>
internal sealed class GracefulShutdown(TimeSpan delay, TimeProvider time, IHostApplicationLifetime lifetime)
    : IHostedLifecycleService, IHealthCheck
{
    /// <summary>
    /// From SIGTERM until the listener closes. A time span, 0 to 10 minutes, less than the pod's <c>terminationGracePeriodSeconds</c>;
    /// default 5 seconds.
    /// </summary>
    public const string Setting = "Kuik:Webhook:ShutdownDelay";

    private static readonly TimeSpan Default = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    /// <summary>For reviews under way when the listener closes; none takes nearly as long.</summary>
    private static readonly TimeSpan LastReviews = TimeSpan.FromSeconds(10);

    private volatile bool _isStopping;

    private bool IsStopping => _isStopping || lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>Reads the setting and adds the service.</summary>
    /// <exception cref="InvalidSettingException">The delay is no time span, or out of range.</exception>
    public static void Configure(WebApplicationBuilder builder)
    {
        var delay = builder.Configuration.Read(
            Setting, Default, "a time such as 00:00:05, at most 10 minutes", set => set >= TimeSpan.Zero && set <= Longest);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = delay + LastReviews);
        builder.Services.AddSingleton(services => new GracefulShutdown(
            delay, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<IHostApplicationLifetime>()));
        builder.Services.AddHostedService(services => services.GetRequiredService<GracefulShutdown>());
        builder.Services.AddHealthChecks().Add(new HealthCheckRegistration(
            "shutdown", services => services.GetRequiredService<GracefulShutdown>(), failureStatus: null, tags: null));
    }

    /// <summary>Middleware: the last answer on a connection says so, and the API server's next review goes to another replica.</summary>
    public Task CloseConnections(HttpContext http, RequestDelegate next)
    {
        if (IsStopping)
            http.Response.Headers.Connection = "close";
        return next(http);
    }

    /// <summary>The host stops Kestrel after it.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        _isStopping = true;
        await Task.Delay(delay, time, cancellationToken);
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(IsStopping ? HealthCheckResult.Unhealthy("the process is ending") : HealthCheckResult.Healthy());

    Task IHostedLifecycleService.StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedService.StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedLifecycleService.StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedService.StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedLifecycleService.StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
