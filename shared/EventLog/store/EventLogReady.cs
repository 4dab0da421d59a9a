namespace Kuik.EventLog;

/// <summary>The readiness of the event log: Postgres has answered and the tables exist. A singleton.</summary>
public sealed class EventLogReady
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>True once the log can be used. It stays true when Postgres becomes unreachable later.</summary>
    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    /// <summary>Why it cannot be used yet, as far as known; null when it can, or the cause is unknown.</summary>
    internal string? Problem { get; set; }

    /// <summary>Completes when the log can be used: at once, unless Postgres has not answered since this process started.</summary>
    public Task Wait(CancellationToken ct) => _ready.Task.WaitAsync(ct);

    internal void Set() => _ready.TrySetResult();
}
