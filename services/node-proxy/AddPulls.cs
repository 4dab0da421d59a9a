using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>Puts the sources and the features that answer from them together.</summary>
internal static class AddPulls
{
    /// <exception cref="Kuik.Hosting.WrongSetting">A setting about origins cannot be used.</exception>
    public static WebApplicationBuilder AddPullChain(this WebApplicationBuilder builder, ProxySettings settings)
    {
        var services = builder.Services;
        var roots = TrustedCertificates.Read(builder.Configuration);
        var origins = RegistryClient.From(builder.Configuration, TimeProvider.System, settings.Origins.DenialReason);
        services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.DrainLimit);
        services.AddHttpForwarder();
        services.AddHealthChecks().AddCheck<ReportUpstreams>("upstreams");
        services.AddSingleton(settings);
        services.AddSingleton(new UpstreamAddresses(new UpstreamAddress(settings.Cache), new UpstreamAddress(settings.Fetcher)));
        services.AddSingleton(provider => UpstreamCredentials.Open(
            builder.Configuration, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<UpstreamCredentials>>()));
        services.AddSingleton<ProxyMetrics>();
        services.AddSingleton(provider => Upstream.MakeClient(settings.ConnectLimit, roots));
        services.AddSingleton(provider => new Breaker(settings.BreakerPause, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(origins);
        services.AddSingleton<AskingMeans>();
        services.AddSingleton(provider => new AskCache(Cache(provider), settings, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AskOrigin>();
        services.AddSingleton<IReadOnlyList<IPullSource>>(Sources);
        services.AddSingleton(MemorySettings.Read(builder.Configuration));
        services.AddSingleton<FindManifest>();
        services.AddSingleton<RememberManifests>();
        services.AddSingleton<ServeManifest>();
        services.AddSingleton(provider => new ServeBlob(
            provider.GetRequiredService<IReadOnlyList<IPullSource>>(),
            new RelayBlob(settings.NoProgressLimit, provider.GetRequiredService<TimeProvider>()),
            new Breaker(settings.DistrustPause, provider.GetRequiredService<TimeProvider>()), provider.GetRequiredService<ProxyMetrics>()));
        services.AddSingleton(provider => new ListTags(
            Cache(provider), provider.GetRequiredService<AskOrigin>(), settings, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ReferrerPages>();
        services.AddSingleton<RelayReferrers>();
        services.AddSingleton<FollowTag>();
        services.AddSingleton(provider => new V1Paths(AddressResolver.Shared, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AnswerRequest>();
        services.AddHostedService<GiveBackMemory>();
        services.AddHostedService<EndpointsFile>();
        return builder;
    }

    // The order of the chain.
    private static IReadOnlyList<IPullSource> Sources(IServiceProvider provider)
    {
        var settings = provider.GetRequiredService<ProxySettings>();
        var time = provider.GetRequiredService<TimeProvider>();
        List<IPullSource> sources = [provider.GetRequiredService<AskCache>()];
        if (settings.Fetcher is not null || settings.EndpointsFile is not null)
        {
            var fetcher = At(provider, "fetcher", Addresses(provider).Fetcher, settings.FetcherLimit, Credentials(provider).Fetcher);
            sources.Add(new AskFetcher(fetcher, settings, time));
        }
        sources.Add(provider.GetRequiredService<AskOrigin>());
        var metrics = provider.GetRequiredService<ProxyMetrics>();
        return [.. sources.Select(source => new CountMisses(source, metrics))];
    }

    private static Upstream Cache(IServiceProvider provider)
    {
        var settings = provider.GetRequiredService<ProxySettings>();
        return At(provider, "cache", Addresses(provider).Cache, settings.CacheLimit, Credentials(provider).Cache);
    }

    private static UpstreamAddresses Addresses(IServiceProvider provider) => provider.GetRequiredService<UpstreamAddresses>();

    private static UpstreamCredentials Credentials(IServiceProvider provider) => provider.GetRequiredService<UpstreamCredentials>();

    private static Upstream At(
        IServiceProvider provider, string name, UpstreamAddress address, TimeSpan firstByte, UpstreamCredential? credential) =>
        new(name, address, firstByte, provider.GetRequiredService<AskingMeans>(), credential);
}
