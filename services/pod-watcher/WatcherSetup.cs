using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher.Setup;
using Marten;

namespace Kuik.PodWatcher;

/// <summary>Registers the parts of this service that other services do not have.</summary>
internal static class WatcherSetup
{
    /// <summary>This service's documents and projections in the event log.</summary>
    public static void Documents(StoreOptions options)
    {
        options.Schema.For<ImageView>().DocumentAlias(ImageView.DocumentAlias)
            .Index(view => view.Sequence).Index(view => view.ShownSequence!);
        options.Schema.For<TakenName>().DocumentAlias("takenname");
        options.Schema.For<ClusterIdentity>().DocumentAlias("clusteridentity");
        options.Projections.Add(new ImageViewProjection(), JasperFx.Events.Projections.ProjectionLifecycle.Async);
    }

    /// <summary>Adds leader election, and the controllers that run on the leader.</summary>
    /// <exception cref="Hosting.InvalidSettingException">A setting is invalid.</exception>
    public static WebApplicationBuilder AddClusterWatch(this WebApplicationBuilder builder)
    {
        builder.AddKuikKubernetes();
        builder.Services.AddSingleton(WatcherOptions.From(builder.Configuration));
        builder.Services.AddSingleton<PodTraces>();
        builder.Services.AddSingleton<WatchedKinds>();
        builder.Services.AddSingleton<LiveUserLister>();
        builder.Services.AddSingleton<ClusterObservation>();
        builder.Services.AddSingleton<WatcherMetrics>();
        builder.Services.AddSingleton<ResourceMetrics>();
        builder.Services.AddSingleton<ControllerManager>();
        builder.Services.AddSingleton<LeaderElectionService>();
        builder.Services.AddHostedService(services => services.GetRequiredService<LeaderElectionService>());
        builder.Services.AddSingleton<ILeader>(services => services.GetRequiredService<LeaderElectionService>());
        builder.Services.AddSingleton<CacheLimitMonitor>();
        builder.Services.AddHostedService<ImageExpiryService>();
        builder.Services.AddHostedService<EndpointsReconciler>();
        builder.Services.AddSetup(builder.Configuration);
        builder.Services.AddSingleton<WebhookCertificateMetrics>();
        builder.Services.AddHostedService<WebhookCertificateController>();
        builder.Services.AddHealthChecks().AddCheck<WatcherHealth>("cluster");
        return builder;
    }
}
