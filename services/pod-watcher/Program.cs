using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.PodWatcher;

var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("pod-watcher");
builder.AddKuikEventLog("pod-watcher", WatcherSetup.Documents);   // projects ImageView
builder.AddKuikBus();
builder.AddKuikRelay();                                           // from the log to the bus
builder.AddClusterWatch();                                        // LeadByLease: ObservePods, ObserveCachedImages, WriteCachedImages, WriteRepositories; ExpireImages, EndpointsReconciler
var app = builder.Build();
app.MapKuikHealth();
await app.RunAsync();
