using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.PodWatcher;
using Kuik.PodWatcher.Setup;

if (args is ["setup", ..])   // the init container: credentials, the webhook's certificate, the schema
{
    Environment.ExitCode = await SetupCommand.Run(args);
    return;
}
var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("pod-watcher");
builder.AddKuikEventLog("pod-watcher", WatcherSetup.Documents);   // projects ImageView
builder.AddKuikBus();
builder.AddKuikRelay();                                           // from the log to the bus
builder.AddPodRetention();                                        // archives the streams of pods after their deletion
builder.AddClusterWatch();                                        // leader election, controllers, expiry: see WatcherSetup
var app = builder.Build();
app.MapKuikHealth();
await app.RunServiceOrCommandAsync(args);   // migrate, rebuild-usage: see EventLogCommands
