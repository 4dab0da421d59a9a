using Kuik.Hosting;
using Kuik.NodeProxy;

// The node's own pull endpoint: the cache registry, else image-fetcher, else the origin. No Kubernetes, no database, no bus.
// Socket completions run inline on the polling threads, as in nginx: request handling must not block
// (docs/decisions/0009-nothing-blocks.md, StallTests). The runtime reads this once, before its first socket.
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
var builder = WebApplication.CreateSlimBuilder(args);
builder.AddKuikDefaults("node-proxy", largest: ProxyMetrics.Requests);   // by origin
var options = ProxyOptions.From(builder.Configuration);
ListenOnNode.Configure(builder, options);   // 127.0.0.1 and ::1 for pulls, Kuik:Metrics:Urls for health and metrics
// ManifestEndpoint (ManifestCache), BlobEndpoint, TagListEndpoint, ReferrersEndpoint over CacheSource, FetcherSource, OriginSource
builder.AddPullChain(options);

var app = builder.Build();
var answer = app.Services.GetRequiredService<RegistryRequestHandler>();
app.MapWhen(http => http.Features.Get<PullConnection>() is not null, pulls => pulls.Run(answer.Handle));
app.MapKuikHealth();
await app.RunUntilStoppedAsync();
