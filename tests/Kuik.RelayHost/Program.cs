// The relay alone, as a process that a test can kill: pod-watcher hosts it, and needs a Kubernetes API.
using Kuik.EventLog;
using Kuik.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("relay-host");
builder.AddKuikEventLog("relay-host");
builder.AddKuikBus();
builder.AddKuikRelay();
var app = builder.Build();
app.MapKuikHealth();
await app.RunAsync();
