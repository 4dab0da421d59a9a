using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.Expiry.Audit;
using Kuik.Hosting;
using MassTransit;

// Everything that becomes due with time: unused images, and work. And the audit API, because a restart of this service delays nothing.
var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("expiry");
builder.AddKuikEventLog("expiry");
builder.AddKuikImageStates();   // keeps snapshots and work up to date while an earlier version writes
builder.AddLogRetention();      // removes ended streams from the log, if a setting says so
builder.AddHashChain();         // tamper evidence, if a setting says so
builder.AddKuikBus(bus => bus.AddConsumer<NoteUnused, NoteUnusedDefinition>());
builder.Services.AddSingleton(ExpiryOptions.From(builder.Configuration));
builder.Services.AddSingleton<ExpiryMetrics>();
builder.Services.AddSingleton<NoteUnused>();
builder.Services.AddSingleton<DueWorkAnnouncer>();
builder.Services.AddHostedService<ImageSweepService>();
builder.AddAuditApi();
var app = builder.Build();
app.MapKuikHealth();
app.MapAuditApi();
await app.RunUntilStoppedAsync();
