using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Kubernetes;
using Kuik.Oci;
using MassTransit;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>Wires what this service has of its own.</summary>
internal static class FetcherSetup
{
    /// <summary>Adds what the consumers need, and how they end.</summary>
    public static WebApplicationBuilder AddFetching(this WebApplicationBuilder builder)
    {
        var roots = TrustedCertificates.From(builder.Configuration);
        builder.Services.AddSingleton(FetcherOptions.From(builder.Configuration));
        builder.Services.AddSingleton<InFlightImages>();
        builder.Services.AddSingleton<AcknowledgementDeadline>();
        builder.Services.AddHostedService(services => services.GetRequiredService<AcknowledgementDeadline>());
        builder.Services.AddSingleton<LeaseRenewer>();
        builder.Services.AddSingleton<RepositoryLockProvider>();
        builder.Services.AddHostedService<PendingSweepController>();
        builder.Services.AddSingleton<PullRecorder>();
        builder.Services.AddSingleton<FetcherMetrics>();
        // When the process is to stop, copies end at once and give their leases back; a second later their messages go back to the queue. That
        // comes before the engine's drain, which is registered before this one: another replica takes the images, and joins what is under way here.
        builder.Services.AddHostedService<ConsumerShutdown>();
        builder.Services.Configure<MassTransitHostOptions>(bus => (bus.ConsumerStopTimeout, bus.StopTimeout) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20)));
        builder.Services.AddHttpClient(CacheHealth.Client, client => client.Timeout = TimeSpan.FromSeconds(2))
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler   // as CacheRegistry reaches it
            {
                UseProxy = false,
                AllowAutoRedirect = false,
                SslOptions = TrustedCertificates.ClientOptions(roots),
            });
        builder.Services.AddHealthChecks().AddCheck<CacheHealth>("cache");
        return builder;
    }

    /// <summary>Adds the credentials of pods: which secrets fit, from the usage table; what they hold, from Kubernetes. And those that clouds give this workload.</summary>
    public static WebApplicationBuilder AddCredentials(this WebApplicationBuilder builder)
    {
        builder.AddKuikKubernetes();
        builder.Services.AddSingleton<GetSecret>(services => SecretJson.From(services.GetRequiredService<KubernetesApi>()));
        builder.Services.AddSingleton<ReadPullSecretNames>(services => async (image, ct) =>
        {
            await using var connection = await services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync(ct);
            return image.Tag is null
                ? await ImageUsers.PullSecretsOfRepository(connection, image.Name, ct)
                : await ImageUsers.PullSecretsOfImage(connection, image.ToString(), ct);
        });
        builder.Services.AddSingleton<PullSecretReader>();
        builder.Services.AddSingleton<PullSecretCache>();
        builder.Services.AddHealthChecks().AddCheck<PullSecretsHealth>("pull-secrets");
        var clouds = CloudConnections.Open(builder.Configuration);
        var identities = CloudIdentities.From(builder.Configuration, clouds, TimeProvider.System);
        builder.Services.AddSingleton(clouds);
        builder.Services.AddSingleton(identities);
        builder.Services.AddSingleton<CloudCredentials>();
        builder.Services.AddSingleton<CredentialCollector>();
        return builder;
    }

    /// <summary>What the copy engine gets from this service.</summary>
    public static CopyEngineHooks Needs(IServiceProvider services)
    {
        var credentials = services.GetRequiredService<CredentialCollector>();
        return new CopyEngineHooks(
            async (image, ct) => (await credentials.For(image, ct)).Credentials,
            services.GetRequiredService<RepositoryLockProvider>().Take,
            services.GetRequiredService<PullRecorder>().Record)
        {
            ShareCache = services.GetRequiredService<RepositoryLockProvider>().Share,
        };
    }
}
