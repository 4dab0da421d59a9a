using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Kuik.Hosting;
using Kuik.Webhook;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kuik.Tests.Webhook;

/// <summary>The webhook as Program.cs composes it, in this process, with what it logs and counts.</summary>
internal sealed class WebhookInProcess : IAsyncDisposable
{
    private readonly MeterListener _meters = new();
    private WebApplication? _webhook;

    public ConcurrentQueue<string> Log { get; } = new();

    /// <summary>The outcome of each container, as counted.</summary>
    public ConcurrentQueue<string> Counted { get; } = new();

    public HttpClient Http { get; } = new();

    /// <summary>The running service.</summary>
    public WebApplication App => _webhook!;

    /// <summary>Starts it on a free port, without TLS.</summary>
    public ValueTask Start() => Start(TimeProvider.System);

    /// <summary>Starts it with a clock and further settings.</summary>
    public async ValueTask Start(TimeProvider time, params string[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder(["--Urls=http://127.0.0.1:0", "--Logging:LogLevel:Kuik=Information", .. settings]);
        builder.Services.AddSingleton(time);
        builder.AddKuikDefaults("webhook");
        builder.Logging.ClearProviders().AddProvider(new KeepLines(Log));
        builder.AddPodRewriting();
        _webhook = builder.Build();
        _webhook.MapKuikHealth();
        _webhook.MapPodAdmission();
        await _webhook.StartAsync();
        Http.BaseAddress = new Uri(_webhook.Urls.Single());

        var meters = _webhook.Services.GetRequiredService<IMeterFactory>();
        _meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == RewriteMetrics.Meter && instrument.Meter.Scope == meters
                && instrument.Name == "kuik.webhook.containers")
                listener.EnableMeasurementEvents(instrument);
        };
        _meters.SetMeasurementEventCallback<long>((_, count, tags, _) =>
        {
            for (var i = 0; i < count; i++)
                Counted.Enqueue((string)tags[0].Value!);
        });
        _meters.Start();
    }

    public async ValueTask DisposeAsync()
    {
        _meters.Dispose();
        Http.Dispose();
        if (_webhook is not null)
            await _webhook.DisposeAsync();
    }
}
