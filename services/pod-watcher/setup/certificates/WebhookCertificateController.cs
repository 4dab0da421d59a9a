using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Renews the webhook's certificate while this replica leads: it checks certificate and authority every 30 minutes, and caBundle
/// every 15 seconds, because a webhook configuration may be deleted and applied again. It renews what setup has created, and creates
/// nothing where setup has not run.
/// </summary>
internal sealed partial class WebhookCertificateController(
    WebhookCertificateReconciler reconciler, ILeader leader, SetupOptions options, WebhookCertificateMetrics metrics, TimeProvider time,
    ILogger<WebhookCertificateController> logger) : BackgroundService
{
    /// <summary>The time between two checks of the certificate.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(30);

    /// <summary>The time between two checks of caBundle.</summary>
    public static readonly TimeSpan Tick = TimeSpan.FromSeconds(15);

    private DateTimeOffset _next = DateTimeOffset.MinValue;
    private string? _bundle;
    private string? _problem;

    /// <summary>Runs the checks that are due.</summary>
    /// <returns>False when the API has failed, which is logged once.</returns>
    public async Task<bool> TryReconcile(CancellationToken ct)
    {
        try
        {
            if (time.GetUtcNow() >= _next)
            {
                var state = await reconciler.Renew(ct);
                metrics.Show(state);
                (_bundle, _next) = (state?.Bundle, time.GetUtcNow() + Interval);
            }
            else if (_bundle is not null)
                await reconciler.Publish(_bundle, ct);
            _problem = null;
            return true;
        }
        catch (Exception failure) when (KubernetesFault.IsOfApi(failure, ct))
        {
            if (_problem != failure.Message)
                LogFailed(failure.Message);
            _problem = failure.Message;
            return false;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.OwnsCertificate)
            return;
        var backOff = new BackOff(time);
        while (true)
        {
            if (!leader.IsLeading)
            {
                _next = DateTimeOffset.MinValue;   // another replica may change everything meanwhile
                metrics.Show(null);
            }
            var isUpToDate = !leader.IsLeading || await TryReconcile(stoppingToken);
            if (isUpToDate)
                backOff.Reset();
            await Task.Delay(isUpToDate ? Tick : backOff.Next(), time, stoppingToken);
        }
    }

    [LoggerMessage(LogLevel.Warning, "the webhook's certificate cannot be checked, next attempt within 30 s: {Reason}")]
    private partial void LogFailed(string reason);
}
