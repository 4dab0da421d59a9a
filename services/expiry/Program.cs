using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.Hosting;

var builder = WebApplication.CreateBuilder(args);
builder.AddKuikDefaults("expiry");
builder.AddKuikEventLog("expiry", FindImages.Configure);
builder.AddKuikBus(bus => bus.AddConsumer<NoteUnused>());
builder.Services.AddSingleton(ExpirySettings.Read(builder.Configuration));
builder.Services.AddSingleton<NoteUnused>();
builder.Services.AddSingleton<ProposeExpiry>();
builder.Services.AddSingleton<AnnounceAgain>();
builder.Services.AddHostedService<SweepImages>();
var app = builder.Build();
app.MapKuikHealth();
await app.RunServiceOrCommandAsync(args);   // migrate, rebuild-usage: see EventLogCommands
