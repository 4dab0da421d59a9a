using Kuik.Hosting;
using Kuik.Webhook;

var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("webhook");
builder.AddPodRewriting();   // RewriteOptions, RewriteMetrics, the listener
var app = builder.Build();
app.MapKuikHealth();
app.MapPodAdmission();       // POST /mutate-core-v1-pod
await app.RunAsync();
