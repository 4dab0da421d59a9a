using System.Net;
using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Prepares an installation, step by step, before its services can start: 1. the credentials Secret, 2. the webhook's certificate, 3.
/// a Postgres that accepts the credentials; 4. is the migration. Repeatable at any point. The first two do not wait for Postgres,
/// which itself waits for the Secret.
/// </summary>
internal sealed partial class ClusterSetup(
    CredentialsReconciler credentials, WebhookCertificateReconciler certificates, SetupOptions options,
    TimeProvider time, ILogger<ClusterSetup> logger)
{
    /// <summary>How long to wait for the Kubernetes API and for Postgres.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>The event log's connection string; empty until <see cref="Prepare"/> has returned 0.</summary>
    public string Postgres { get; private set; } = "";

    /// <summary>Runs steps 1 to 3.</summary>
    /// <returns>0, <see cref="ExitCodes.TryAgain"/> or <see cref="ExitCodes.Failed"/>; the log has the reason.</returns>
    public async Task<int> Prepare(CancellationToken ct)
    {
        var code = await Attempt("the Kubernetes API", PrepareCluster, ct);
        return code != 0 ? code : await Attempt("Postgres", PrepareDatabase, ct);
    }

    private async Task PrepareCluster(CancellationToken ct)
    {
        var secret = await credentials.Reconcile(ct);
        Postgres = options.ExternalPostgres ?? secret[Credentials.Postgres];
        if (options.OwnsCertificate && (await certificates.Reconcile(ct)).Publication == Publication.NoConfiguration)
            LogNoConfiguration(WebhookCertificateReconciler.ConfigurationName);
    }

    private async Task PrepareDatabase(CancellationToken ct)
    {
        var secret = $"Secret {options.Namespace}/{CredentialsReconciler.SecretName}";
        var source = options.ExternalPostgres is null ? secret : "ConnectionStrings:Postgres";
        await DatabaseLogin.LogIn(Postgres, source, ct);
        await credentials.MarkVolume(ct);
    }

    private async Task<int> Attempt(string server, Func<CancellationToken, Task> step, CancellationToken ct)
    {
        var (began, said) = (time.GetTimestamp(), "");
        while (true)
        {
            try
            {
                await step(ct);
                return 0;
            }
            catch (SetupRefusedException refused)
            {
                LogRefused(refused.Message);
                return ExitCodes.Failed;
            }
            catch (KubernetesApiException refusal) when (AdviceFor(refusal) is { } advice)
            {
                LogRefused($"{refusal.Message}. {advice}");
                return ExitCodes.Failed;
            }
            catch (Exception away) when (ReasonToWait(away, ct) is not null)
            {
                var reason = ReasonToWait(away, ct)!;
                if (said != reason)
                    LogWaits(server, reason);
                said = reason;
            }
            if (time.GetElapsedTime(began) > Patience)
            {
                LogGivesUp(server, Patience.TotalMinutes);
                return ExitCodes.TryAgain;
            }
            await Task.Delay(Pause, time, ct);
        }
    }

    /// <summary>The advice for a refusal that a retry does not change; null for one that it may.</summary>
    private string? AdviceFor(KubernetesApiException refusal) => refusal.Status switch
    {
        HttpStatusCode.Unauthorized => "The token of the service account is not accepted: check that the pod mounts it",
        HttpStatusCode.Forbidden =>
            "pod-watcher has no right to it, or an admission policy denies it: apply the RBAC of this version (kuik-pod-watcher)",
        HttpStatusCode.NotFound => $"The namespace {options.Namespace} does not exist: create it, or set Kuik:Namespace",
        HttpStatusCode.UnprocessableEntity or HttpStatusCode.BadRequest =>
            "Correct the object that is there (an immutable Secret has to be replaced by a person)",
        _ => null,
    };

    private static string? ReasonToWait(Exception fault, CancellationToken ct) => fault switch
    {
        TimeoutException => fault.Message,
        _ when KubernetesFault.IsOfApi(fault, ct) => fault.Message,
        _ when EventLogFault.MeansAway(fault) => EventLogFault.ReasonOf(fault),
        _ => null,
    };

    [LoggerMessage(LogLevel.Error, "setup is refused: {Reason}")]
    private partial void LogRefused(string reason);

    [LoggerMessage(LogLevel.Warning, "setup waits for {Server}: {Reason}")]
    private partial void LogWaits(string server, string reason);

    [LoggerMessage(LogLevel.Error, "setup has waited for {Server} for {Minutes} minutes; it is to be run again")]
    private partial void LogGivesUp(string server, double minutes);

    [LoggerMessage(LogLevel.Information,
        "there is no MutatingWebhookConfiguration {Name} yet: pod-watcher writes its caBundle when it is there")]
    private partial void LogNoConfiguration(string name);
}
