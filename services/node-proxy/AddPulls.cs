using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>Puts the sources and the features that answer from them together.</summary>
internal static class AddPulls
{
    /// <exception cref="Kuik.Hosting.InvalidSettingException">A setting about origins cannot be used.</exception>
    public static WebApplicationBuilder AddPullChain(this WebApplicationBuilder builder, ProxyOptions options)
    {
        var services = builder.Services;
        var roots = TrustedCertificates.From(builder.Configuration);
        var origins = RegistryClient.From(builder.Configuration, TimeProvider.System, options.Origins.DenialReason);
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainLimit);
        services.AddHttpForwarder();
        services.AddHealthChecks().AddCheck<SourcesHealth>("sources");
        services.AddSingleton(options);
        services.AddSingleton(new SourceAddresses(new SourceAddress(options.Cache), new SourceAddress(options.Fetcher)));
        services.AddSingleton(provider => SourceCredentials.Open(
            builder.Configuration, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<SourceCredentials>>()));
        services.AddSingleton<ProxyMetrics>();
        services.AddSingleton(provider => SourceEndpoint.MakeClient(options.ConnectLimit, roots));
        services.AddSingleton(provider => new CircuitBreaker(options.BreakerPause, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(origins);
        services.AddSingleton<SourceDependencies>();
        services.AddSingleton(provider => new CacheSource(Cache(provider), options, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<OriginSource>();
        services.AddSingleton<IReadOnlyList<IPullSource>>(Sources);
        services.AddSingleton(ManifestCacheOptions.From(builder.Configuration));
        services.AddSingleton<SourceChain>();
        services.AddSingleton<ManifestCache>();
        services.AddSingleton<ManifestEndpoint>();
        services.AddSingleton(provider => new BlobEndpoint(
            provider.GetRequiredService<IReadOnlyList<IPullSource>>(),
            new BlobRelay(options.NoProgressLimit, provider.GetRequiredService<TimeProvider>()),
            new CircuitBreaker(options.DistrustPause, provider.GetRequiredService<TimeProvider>()),
            provider.GetRequiredService<ProxyMetrics>()));
        services.AddSingleton(provider => new TagListEndpoint(
            Cache(provider), provider.GetRequiredService<OriginSource>(), options, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ReferrerPages>();
        services.AddSingleton<ReferrersEndpoint>();
        services.AddSingleton<TagResolver>();
        services.AddSingleton(provider => new V1Paths(AddressResolver.Shared, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<PullCounter>();
        services.AddSingleton<RegistryRequestHandler>();
        // The buffers of a burst go while the next one begins.
        services.AddSingleton(new MemoryTrimmerOptions { Pause = TimeSpan.FromSeconds(10), MostWhenIdle = long.MaxValue });
        services.AddHostedService<EndpointsFile>();
        services.AddHostedService<PullReporter>();
        return builder;
    }

    // The order of the chain.
    private static IReadOnlyList<IPullSource> Sources(IServiceProvider provider)
    {
        var options = provider.GetRequiredService<ProxyOptions>();
        var time = provider.GetRequiredService<TimeProvider>();
        List<IPullSource> sources = [provider.GetRequiredService<CacheSource>()];
        if (options.Fetcher is not null || options.EndpointsFile is not null)
        {
            var fetcher = At(provider, "fetcher", Addresses(provider).Fetcher, options.FetcherLimit, Credentials(provider).Fetcher);
            sources.Add(new FetcherSource(fetcher, options, time));
        }
        sources.Add(provider.GetRequiredService<OriginSource>());
        var metrics = provider.GetRequiredService<ProxyMetrics>();
        return [.. sources.Select(source => new MeteredSource(source, metrics))];
    }

    private static SourceEndpoint Cache(IServiceProvider provider)
    {
        var options = provider.GetRequiredService<ProxyOptions>();
        return At(provider, "cache", Addresses(provider).Cache, options.CacheLimit, Credentials(provider).Cache);
    }

    private static SourceAddresses Addresses(IServiceProvider provider) => provider.GetRequiredService<SourceAddresses>();

    private static SourceCredentials Credentials(IServiceProvider provider) => provider.GetRequiredService<SourceCredentials>();

    private static SourceEndpoint At(
        IServiceProvider provider, string name, SourceAddress address, TimeSpan firstByte, SourceCredential? credential) =>
        new(name, address, firstByte, provider.GetRequiredService<SourceDependencies>(), credential);
}
