// The copy engine alone, as a process that a test can stop, freeze and kill: image-fetcher needs Postgres, RabbitMQ and a Kubernetes API.
using Kuik.Hosting;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.ReplicaHost;

var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("replica-host");
var locks = new RepositoryLockFiles(builder.Configuration["ReplicaHost:Locks"]!);
builder.Services.AddCopyEngine(builder.Configuration, _ => new CopyEngineHooks(
    (_, _) => Task.FromResult<IReadOnlyList<RegistryCredential>>([]), locks.Take, (_, _) => Task.CompletedTask));
var app = builder.Build();
app.MapPullThrough();
BackgroundCopy.Map(app);
app.MapKuikHealth();
await app.RunAsync();
