using System.Text.Json;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Renews the webhook's certificate while this replica leads: every 30 minutes it looks at certificate and authority, every 15 seconds
/// whether caBundle is still what it
/// has to be, as after a webhook configuration that was deleted and applied again. It renews what setup has made, and makes nothing where
/// setup has not run.
/// </summary>
internal sealed partial class WebhookCertificateController(
    WebhookCertificateReconciler reconciler, LeadByLease lead, SetupOptions options, TimeProvider time,
    ILogger<WebhookCertificateController> logger) : BackgroundService
{
    /// <summary>Between two looks at the certificate.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(30);

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(15);

    private DateTimeOffset _next = DateTimeOffset.MinValue;
    private string? _bundle;
    private string? _problem;

    /// <summary>Does what is due; a failure is logged once and tried again at the next tick.</summary>
    public async Task TryReconcile(CancellationToken ct)
    {
        try
        {
            if (time.GetUtcNow() >= _next)
            {
                _bundle = (await reconciler.Renew(ct))?.Bundle;
                _next = time.GetUtcNow() + Interval;
            }
            else if (_bundle is not null)
                await reconciler.Publish(_bundle, ct);
            _problem = null;
        }
        catch (Exception failure) when (failure is KubernetesRefused or HttpRequestException or IOException or JsonException
            || (failure is OperationCanceledException && !ct.IsCancellationRequested))
        {
            if (_problem != failure.Message)
                LogFailed(failure.Message);
            _problem = failure.Message;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.OwnsCertificate)
            return;
        using var timer = new PeriodicTimer(Tick, time);
        do
        {
            if (lead.IsLeading)
                await TryReconcile(stoppingToken);
            else
                _next = DateTimeOffset.MinValue;   // another replica may change everything meanwhile
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(LogLevel.Warning, "the webhook's certificate cannot be looked after, next attempt in 15 s: {Reason}")]
    private partial void LogFailed(string reason);
}
