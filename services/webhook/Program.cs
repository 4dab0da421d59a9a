using Kuik.Hosting;
using Kuik.Webhook;

var builder = WebApplication.CreateSlimBuilder(args);
builder.AddKuikDefaults("webhook");
builder.AddPodRewriting();   // RewriteOptions, RewriteMetrics, the listener, CertificateReloader
var app = builder.Build();
app.MapKuikHealth();
app.MapPodAdmission();       // POST /mutate-core-v1-pod, and with ?explain for people
await app.RunUntilStoppedAsync();
