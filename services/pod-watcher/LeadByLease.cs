using k8s;
using k8s.LeaderElection;
using k8s.LeaderElection.ResourceLock;

namespace Kuik.PodWatcher;

/// <summary>
/// One replica at a time watches the cluster: the one that holds the Lease <c>kuik-pod-watcher</c>. A Lease cannot stop a replica that has lost it
/// without noticing, so every decision is also made against the version of its stream.
/// </summary>
internal sealed partial class LeadByLease(IKubernetes client, WatchCluster cluster, WatcherSettings settings, ILogger<LeadByLease> logger) : BackgroundService
{
    /// <summary>The Lease's name.</summary>
    public const string LeaseName = "kuik-pod-watcher";

    private readonly string identity = $"{Environment.MachineName}-{Guid.NewGuid().ToString("N")[..8]}";
    private string? problem;

    /// <summary>This replica leads.</summary>
    public bool IsLeading { get; private set; }

    /// <summary>Who leads, as far as this replica knows; null for nobody.</summary>
    public string? Leader { get; private set; }

    /// <summary>Why the Lease can be neither held nor seen; null while it can.</summary>
    public string? Problem => problem;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var lease = new LeaseLock(client, settings.Namespace, LeaseName, identity);
        lease.OnHttpError += Report;   // writing it failed; what goes wrong while reading it comes from the elector
        while (!stoppingToken.IsCancellationRequested)
            await RunTerm(lease, stoppingToken);
    }

    /// <summary>Waits for the Lease, works while it is held, and ends the work before it asks for the Lease again.</summary>
    private async Task RunTerm(LeaseLock lease, CancellationToken ct)
    {
        using var term = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var work = Task.CompletedTask;
        using var elector = new LeaderElector(new LeaderElectionConfig(lease)
        {
            LeaseDuration = settings.LeaseDuration,
            RenewDeadline = settings.LeaseDuration * 2 / 3,
            RetryPeriod = settings.LeaseDuration / 7,
        });
        elector.OnStartedLeading += () =>
        {
            (IsLeading, problem) = (true, null);
            LogLeads(identity);
            work = Work(term);
        };
        elector.OnStoppedLeading += term.Cancel;
        elector.OnNewLeader += leader => (Leader, problem) = (leader, null);
        elector.OnError += Report;

        // The work ends with the term, and a fault of the work ends the term.
        await elector.RunUntilLeadershipLostAsync(term.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await term.CancelAsync();
        if (IsLeading)
            LogLeadsNoMore(identity);
        IsLeading = false;
        await work;
    }

    private async Task Work(CancellationTokenSource term)
    {
        try
        {
            await cluster.Run(term.Token);
        }
        catch (OperationCanceledException) when (term.IsCancellationRequested)
        {
            return;   // the lead is lost, or the service ends
        }
        finally
        {
            await term.CancelAsync();
        }
    }

    private void Report(Exception fault)
    {
        var reason = fault switch
        {
            k8s.Autorest.HttpOperationException { Response.StatusCode: System.Net.HttpStatusCode.NotFound } =>
                $"the namespace {settings.Namespace} does not exist: create it, or set Kuik:Namespace",
            k8s.Autorest.HttpOperationException refusal => $"{(int)refusal.Response.StatusCode} {refusal.Response.ReasonPhrase}",
            _ => fault.Message,
        };
        if (fault is k8s.Autorest.HttpOperationException { Response.StatusCode: System.Net.HttpStatusCode.Conflict })
            return;   // another replica was quicker
        if (problem != reason)
            LogNoLease(LeaseName, settings.Namespace, client.BaseUri, reason);
        problem = reason;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} leads: it watches the cluster")]
    private partial void LogLeads(string identity);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} does not lead any more")]
    private partial void LogLeadsNoMore(string identity);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the Lease {Name} in {Namespace} cannot be asked for at {Address} ({Reason}); trying again until it can, nothing is observed meanwhile")]
    private partial void LogNoLease(string name, string @namespace, Uri address, string reason);
}
