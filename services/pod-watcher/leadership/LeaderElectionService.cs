using k8s;
using k8s.LeaderElection;
using k8s.LeaderElection.ResourceLock;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>
/// Leader election by the Lease <c>kuik-pod-watcher</c>: only the leader watches the cluster. A Lease cannot stop a replica that has lost
/// it without noticing, so every decision is also made against the version of its stream.
/// </summary>
internal sealed partial class LeaderElectionService(
    IKubernetes client, ControllerManager cluster, WatcherOptions options, TimeProvider time, ILogger<LeaderElectionService> logger)
    : BackgroundService, ILeader
{
    /// <summary>The Lease's name.</summary>
    public const string LeaseName = "kuik-pod-watcher";

    private readonly string _identity = $"{Environment.MachineName}-{Guid.NewGuid().ToString("N")[..8]}";
    private string? _problem;

    /// <summary>True while this replica leads.</summary>
    public bool IsLeading { get; private set; }

    /// <summary>The leader, as far as this replica knows; null for none.</summary>
    public string? Leader { get; private set; }

    /// <summary>Why the Lease can be neither held nor read; null while it can.</summary>
    public string? Problem => _problem;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var lease = new LeaseLock(client, options.Namespace, LeaseName, _identity);
        lease.OnHttpError += Report;   // for failed writes; failed reads come from the elector
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RunTerm(lease, stoppingToken);
                await Task.Delay(options.LeaseDuration / 7, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception fault) when (EventLogFault.MeansUnreadable(fault))
            {
                // A newer replica may know the event: it gets the time to take the Lease.
                _problem = $"the log holds an event that this version cannot read: {fault.Message}";
                LogUnreadable(fault.Message);
                await Release(lease);
                await Task.Delay(options.LeaseDuration * 2, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        await Release(lease);
    }

    /// <summary>Waits for the Lease, works while it is held, and ends the work before it requests the Lease again.</summary>
    private async Task RunTerm(LeaseLock lease, CancellationToken ct)
    {
        using var term = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var work = Task.CompletedTask;
        using var elector = new LeaderElector(new LeaderElectionConfig(lease)
        {
            LeaseDuration = options.LeaseDuration,
            RenewDeadline = options.LeaseDuration * 2 / 3,
            RetryPeriod = options.LeaseDuration / 7,
        });
        elector.OnStartedLeading += () =>
        {
            (IsLeading, _problem) = (true, null);
            LogLeads(_identity);
            work = Work(term);
        };
        elector.OnStoppedLeading += term.Cancel;
        elector.OnNewLeader += leader => (Leader, _problem) = (leader, null);
        elector.OnError += Report;

        // The work ends with the term, and an exception of the work ends the term.
        try
        {
            await elector.RunUntilLeadershipLostAsync(term.Token);
        }
        catch (OperationCanceledException) when (term.IsCancellationRequested)
        {
            // Shutdown, or the end of the work.
        }
        catch (Exception fault)
            when (fault is HttpRequestException or IOException or OperationCanceledException or k8s.Autorest.HttpOperationException)
        {
            Report(fault);   // LeaderElector rethrows API connection errors
        }
        await term.CancelAsync();
        if (IsLeading)
            LogLeadsNoMore(_identity);
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
            return;   // the lease is lost, or shutdown
        }
        finally
        {
            await term.CancelAsync();
        }
    }

    /// <summary>
    /// Releases the Lease if it is this replica's, so that the next leader need not wait for its expiry. If that fails, it does wait.
    /// </summary>
    private async Task Release(LeaseLock lease)
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
        try
        {
            var record = await lease.GetAsync(soon.Token);
            if (record.HolderIdentity != _identity)
                return;
            record.HolderIdentity = "";   // with null, the elector would try to create the Lease
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
                $"the namespace {options.Namespace} does not exist: create it, or set Kuik:Namespace",
            k8s.Autorest.HttpOperationException refusal => $"{(int)refusal.Response.StatusCode} {refusal.Response.ReasonPhrase}",
            _ => fault.Message,
        };
        if (fault is k8s.Autorest.HttpOperationException { Response.StatusCode: System.Net.HttpStatusCode.Conflict })
            return;   // another replica has created it
        if (_problem != reason)
            LogNoLease(LeaseName, options.Namespace, client.BaseUri, reason);
        _problem = reason;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} leads: it watches the cluster")]
    private partial void LogLeads(string identity);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} does not lead any more")]
    private partial void LogLeadsNoMore(string identity);

    [LoggerMessage(Level = LogLevel.Information, Message = "the Lease was not released ({Reason}): another replica leads after its expiry")]
    private partial void LogNotReleased(string reason);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "the log holds an event that this version cannot read ({Reason}): it releases the lead for a newer one")]
    private partial void LogUnreadable(string reason);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "the Lease {Name} in {Namespace} cannot be requested at {Address} ({Reason}); nothing is observed until it can")]
    private partial void LogNoLease(string name, string @namespace, Uri address, string reason);
}
