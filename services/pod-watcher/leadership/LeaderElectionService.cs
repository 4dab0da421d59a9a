using k8s;
using k8s.LeaderElection;
using k8s.LeaderElection.ResourceLock;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>
/// One replica at a time watches the cluster: the one that holds the Lease <c>kuik-pod-watcher</c>. A Lease cannot stop a replica that has lost it
/// without noticing, so every decision is also made against the version of its stream.
/// </summary>
internal sealed partial class LeaderElectionService(
    IKubernetes client, ControllerManager cluster, WatcherOptions settings, TimeProvider time, ILogger<LeaderElectionService> logger)
    : BackgroundService, ILeader
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
        {
            try
            {
                await RunTerm(lease, stoppingToken);
                await Task.Delay(settings.LeaseDuration / 7, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception fault) when (EventLogFault.MeansUnreadable(fault))
            {
                // A newer replica may know what this one does not: it gets the time to take the Lease.
                problem = $"the log holds an event that this version cannot read: {fault.Message}";
                LogUnreadable(fault.Message);
                await Release(lease);
                await Task.Delay(settings.LeaseDuration * 2, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        await Release(lease);
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
        try
        {
            await elector.RunUntilLeadershipLostAsync(term.Token);
        }
        catch (OperationCanceledException) when (term.IsCancellationRequested)
        {
            // The service ends, or the work has.
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException or k8s.Autorest.HttpOperationException)
        {
            Report(fault);   // the elector lets fly what keeps it from the API
        }
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

    /// <summary>Gives the Lease back if it is this replica's, so that the next one need not wait until it has run out. If that fails, it does.</summary>
    private async Task Release(LeaseLock lease)
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
        try
        {
            var record = await lease.GetAsync(soon.Token);
            if (record.HolderIdentity != identity)
                return;
            record.HolderIdentity = "";   // with null, the elector would take the Lease for one that it has to create
            await lease.UpdateAsync(record, soon.Token);
        }
        catch (Exception fault) when (fault is HttpRequestException or k8s.Autorest.HttpOperationException or OperationCanceledException)
        {
            LogNotReleased(fault.Message);
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

    [LoggerMessage(Level = LogLevel.Information, Message = "the Lease was not given back ({Reason}): another replica leads when it has run out")]
    private partial void LogNotReleased(string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "the log holds an event that this version cannot read ({Reason}): it leaves the lead to a newer one")]
    private partial void LogUnreadable(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the Lease {Name} in {Namespace} cannot be asked for at {Address} ({Reason}); trying again until it can, nothing is observed meanwhile")]
    private partial void LogNoLease(string name, string @namespace, Uri address, string reason);
}
