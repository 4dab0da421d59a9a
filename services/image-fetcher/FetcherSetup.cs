using Kuik.EventLog;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Kubernetes;
using Kuik.Oci;
using MassTransit;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>Registration of the service's own parts: consumers, credentials and the hooks of the copy engine.</summary>
internal static class FetcherSetup
{
    /// <summary>Registers the consumers' dependencies and shutdown limits.</summary>
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
        builder.Services.AddSingleton(VerificationOptions.From(builder.Configuration));
        builder.Services.AddSingleton<Func<CacheInspector>>(services => services.GetRequiredService<CacheInspector>);
        builder.Services.AddSingleton<ImageVerifier>();
        builder.Services.AddHostedService<CacheVerificationService>();
        builder.Services.AddHostedService<CacheAdoptionService>();
        builder.Services.AddSingleton<ImageRefresher>();
        builder.Services.AddHostedService<TagRefreshService>();
        builder.Services.AddSingleton<PullRecorder>();
        builder.Services.AddSingleton<FetcherMetrics>();
        builder.Services.AddSingleton<PullMetrics>();
        // On shutdown, copies end at once and release their leases; a second later their messages return to the queue. This runs
        // before the engine's drain, which is registered earlier: another replica takes the images over and joins the downloads that are
        // still running here.
        builder.Services.AddHostedService<ConsumerShutdown>();
        builder.Services.Configure<MassTransitHostOptions>(bus => (bus.ConsumerStopTimeout, bus.StopTimeout) =
            (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20)));
        builder.Services.AddHttpClient(CacheHealth.Client, client => client.Timeout = TimeSpan.FromSeconds(2))
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler   // the same connection as CacheRegistry's
            {
                UseProxy = false,
                AllowAutoRedirect = false,
                SslOptions = TrustedCertificates.ClientOptions(roots),
            });
        builder.Services.AddHealthChecks().AddCheck<CacheHealth>("cache");
        return builder;
    }

    /// <summary>
    /// Registers the credentials: names of pull secrets from the usage table, their contents from Kubernetes, and the
    /// cloud identities of this workload.
    /// </summary>
    public static WebApplicationBuilder AddCredentials(this WebApplicationBuilder builder)
    {
        builder.AddKuikKubernetes();
        builder.Services.AddSingleton<GetSecret>(services => SecretJson.From(services.GetRequiredService<KubernetesApi>()));
        builder.Services.AddSingleton<ReadPullSecretNames>(services => async (image, ct) =>
        {
            await using var connection = await services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync(ct);
            var ofPods = image.Tag is null
                ? await ImageUsers.PullSecretsOfRepository(connection, image.Name, ct)
                : await ImageUsers.PullSecretsOfImage(connection, image.ToString(), ct);
            return [.. ofPods.Union(await RepositoryPullSecrets.Of(connection, image.Name, ct))];
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

    /// <summary>The service's implementation of the copy engine's hooks.</summary>
    public static CopyEngineHooks Needs(IServiceProvider services)
    {
        var credentials = services.GetRequiredService<CredentialCollector>();
        return new CopyEngineHooks(
            async (image, ct) => (await credentials.For(image, ct)).Credentials,
            services.GetRequiredService<RepositoryLockProvider>().Take,
            services.GetRequiredService<PullRecorder>().Record)
        {
            ShareCache = services.GetRequiredService<RepositoryLockProvider>().Share,
            Copied = services.GetRequiredService<PullRecorder>().RecordCopy,
        };
    }
}
