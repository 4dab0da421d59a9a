using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Kuik.Hosting;

/// <summary>The defaults of every service: one-line logs, health checks, metrics, little memory when idle, and one clear line when a
/// setting is invalid.</summary>
public static class KuikDefaults
{
    /// <summary>
    /// The limit for a client that stops reading in the middle of a response: a runtime that unpacks onto a slow disk does not read
    /// for a while. Kestrel's own limit, 240 bytes a second, ignores data written through <c>BodyWriter</c>, and so aborts clients
    /// that do not read for five seconds.
    /// </summary>
    private static readonly MinDataRate SlowestReader = new(bytesPerSecond: 1, gracePeriod: TimeSpan.FromMinutes(10));

    /// <summary>
    /// The limit of series of a metric. OpenTelemetry allocates them when the metric is created: its own default, 2,000, is
    /// 16 MiB of each service's heap (dotnet-gcdump). No metric has a label with more values than this, except the one named
    /// in <see cref="AddKuikDefaults"/>.
    /// </summary>
    private const int MostSeries = 128;

    /// <summary>The tag of health checks that <c>/healthz</c> runs too: unhealthy means that only a restart helps.</summary>
    public const string Live = "live";

    /// <summary>The time limit for writing the last line: it must not delay the restart of a failed process.</summary>
    private static readonly TimeSpan LastLineLimit = TimeSpan.FromSeconds(2);

    /// <summary>Adds logs, health checks, OpenTelemetry and the clock.</summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="service">Its name, for example <c>image-fetcher</c>.</param>
    /// <param name="largest">The metric that may have 2,000 series; default none.</param>
    public static WebApplicationBuilder AddKuikDefaults(this WebApplicationBuilder builder, string service, string? largest = null)
    {
        AppDomain.CurrentDomain.UnhandledException += (_, fault) =>
            EndWithOneLine(service, (Exception)fault.ExceptionObject, builder.Configuration["Urls"]);
        CheckUrls(builder.Configuration["Urls"]);

        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<ILoggerProvider, LineLoggerProvider>();
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Information);
        // EndWithOneLine reports a failed start.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        // The prober reads the answer; each probe would repeat it.
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.Logging.AddFilter("System.Net.Http", LogLevel.Warning);

        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MinResponseDataRate = SlowestReader);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddHealthChecks();
        builder.Services.AddHostedService<FaultExitCode>();
        builder.Services.TryAddSingleton(new MemoryTrimmerOptions());
        builder.Services.AddHostedService<MemoryTrimmer>();
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("kuik-" + service))
            .WithMetrics(metrics => metrics
                .AddMeter("Kuik.*", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "MassTransit", "Marten", "Npgsql")
                .AddView(metric => metric.Name == largest ? null : new MetricStreamConfiguration { CardinalityLimit = MostSeries })
                .AddPrometheusExporter());
        if (builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is { Length: > 0 })
            telemetry.WithTracing(traces => AddSampler(traces, builder.Configuration["OTEL_TRACES_SAMPLER"])
                .AddSource("Kuik.*", "MassTransit", "Marten", "Npgsql")).UseOtlpExporter();
        return builder;
    }

    /// <summary>
    /// Maps <c>/healthz</c> (the process is not stuck), <c>/readyz</c> (it can do its work, or the cause why not) and <c>/metrics</c>.
    /// </summary>
    public static WebApplication MapKuikHealth(this WebApplication app)
    {
        app.UseHealthChecks("/healthz", new HealthCheckOptions { Predicate = check => check.Tags.Contains(Live) });
        app.UseHealthChecks("/readyz", new HealthCheckOptions
        {
            ResponseWriter = (http, report) => http.Response.WriteAsync(
                string.Join('\n', report.Entries.Select(e => $"{e.Key}: {e.Value.Status} {e.Value.Description}")
                    .Prepend(report.Status.ToString())) + "\n"),
            ResultStatusCodes =
            {
                [HealthStatus.Healthy] = 200,
                [HealthStatus.Degraded] = 200,
                [HealthStatus.Unhealthy] = 503,
            },
        });
        app.UseOpenTelemetryPrometheusScrapingEndpoint("/metrics");
        return app;
    }

    // A sampler that is set in code overrides the standard variable.
    private static TracerProviderBuilder AddSampler(TracerProviderBuilder traces, string? named) =>
        string.IsNullOrEmpty(named) ? traces.SetSampler(new ParentBasedSampler(new RootSampler())) : traces;

    // Kestrel parses these only when it starts to listen, and its errors do not name the setting.
    private static void CheckUrls(string? urls)
    {
        foreach (var url in urls?.Split(';', StringSplitOptions.RemoveEmptyEntries) ?? [])
        {
            if (!TryParse(url, out var address) || address.Scheme is not ("http" or "https") || address.Port > 65535
                || !(address.IsUnixPipe || address.Host is "*" or "+" || Uri.CheckHostName(address.Host) != UriHostNameType.Unknown))
                throw new InvalidSettingException("Urls", url,
                    "addresses such as http://127.0.0.1:8080 or https://*:9443, with ; between them");
        }
    }

    private static bool TryParse(string url, [NotNullWhen(true)] out BindingAddress? address)
    {
        try
        {
            address = BindingAddress.Parse(url.Trim());
        }
        catch (FormatException)
        {
            address = null;
        }
        return address is not null;
    }

    private static void EndWithOneLine(string service, Exception fault, string? urls)
    {
        // Only failures that an operator can act on end without a stack trace.
        var line = fault switch
        {
            IOException { InnerException: AddressInUseException or SocketException } cannotBind => cannotBind.Message,
            SocketException cannotBind when cannotBind.StackTrace?.Contains("Server.Kestrel", StringComparison.Ordinal) == true =>
                $"cannot listen on {urls}: {cannotBind.Message}",
            _ => Chain(fault).OfType<InvalidSettingException>().FirstOrDefault()?.Message,
        };
        if (line is null)
            return;
        var writer = new Thread(() => Console.Error.WriteLine($"{service}: {line.ReplaceLineEndings(" ")}")) { IsBackground = true };
        writer.Start();
        writer.Join(LastLineLimit);
        Environment.Exit(ExitCodes.WrongSetting);
    }

    private static IEnumerable<Exception> Chain(Exception fault)
    {
        for (var e = fault; e is not null; e = e.InnerException)
            yield return e;
    }
}
