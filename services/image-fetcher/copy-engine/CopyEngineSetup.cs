using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Registration of the copy engine in a service.</summary>
public static class CopyEngineSetup
{
    /// <summary>
    /// Registers <see cref="ImageCopier"/>, <see cref="TagEviction"/> and the parts that <see cref="PullThrough.MapPullThrough"/> needs.
    /// </summary>
    /// <param name="services">The service's.</param>
    /// <param name="configuration">Read at once, not when the parts are resolved.</param>
    /// <param name="needs">The service's hooks.</param>
    /// <exception cref="Hosting.InvalidSettingException">A setting is invalid.</exception>
    public static IServiceCollection AddCopyEngine(this IServiceCollection services, IConfiguration configuration,
        Func<IServiceProvider, CopyEngineHooks> needs)
    {
        var options = CopyEngineOptions.From(configuration);
        var endpoints = RegistryEndpoints.From(configuration);
        var network = RegistryNetwork.From(configuration) with { Denied = options.Origins.DenialReason };
        services.AddSingleton(provider => new Engine(
            options, time => new RegistryClient(endpoints, options.Roots, time, network), needs(provider),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<IMeterFactory>(), provider.GetRequiredService<ILoggerFactory>()));
        services.AddHostedService(provider => new EngineShutdown(provider.GetRequiredService<Engine>()));
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainLimit + Drain.LastSteps);
        services.AddHealthChecks()
            .Add(new HealthCheckRegistration("work", provider => provider.GetRequiredService<Engine>().Watchdog, failureStatus: null,
                [KuikDefaults.Live]))
            .Add(new HealthCheckRegistration("spool", provider => new SpoolHealth(provider.GetRequiredService<Engine>()),
                failureStatus: null, tags: null));
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().ImageCopier);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().TagEviction);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().RepositorySweeper);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().CacheInspector);
        services.AddSingleton(provider => provider.GetRequiredService<Engine>().OriginInspector);
        return services;
    }

    /// <inheritdoc cref="CopyEngineOptions.PortOf"/>
    public static string PortOf(IConfiguration configuration) => CopyEngineOptions.PortOf(configuration);
}
