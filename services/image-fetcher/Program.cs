using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.ImageFetcher.GarbageCollection;
using Kuik.ImageFetcher.Scrubbing;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using EvictImage = Kuik.ImageFetcher.EvictImage;

if (args is ["collect-garbage", ..])   // a CronJob runs the registry's own collector while no copy writes
{
    Environment.ExitCode = await CollectGarbageCommand.Run(args);
    return;
}

if (args is ["scrub", ..])   // a CronJob with the registry's volume: damaged blobs are moved away, to be copied again
{
    Environment.ExitCode = await ScrubCommand.Run(args);
    return;
}

// Copies images from their origins into the cache registry: those announced on the bus, and those that node-proxy pulls through.
var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("image-fetcher");
builder.AddKuikEventLog("image-fetcher", whenUnreachable: HealthStatus.Degraded);   // pulls continue without Postgres
builder.AddKuikBus(bus =>
{
    bus.AddConsumer<FetchImage, FetchImageDefinition>();
    bus.AddConsumer<EvictImage, EvictImageDefinition>();
});
builder.Services.AddHostedService<MissedRequestAnnouncer>();
builder.AddCredentials();   // PullSecretCache from Postgres, PullSecretReader from Kubernetes, CloudCredentials
builder.Services.AddCopyEngine(builder.Configuration, FetcherSetup.Needs);
builder.AddFetching();      // LeaseRenewer, PullRecorder, RepositoryLockProvider; CacheHealth
var app = builder.Build();
app.MapPullThrough();
app.MapPullReports();
app.MapKuikHealth();
await app.RunUntilStoppedAsync();
