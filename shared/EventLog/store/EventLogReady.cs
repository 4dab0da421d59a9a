namespace Kuik.EventLog;

/// <summary>Whether Postgres has answered and the event log's tables exist. Injected as a singleton.</summary>
public sealed class EventLogReady
{
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>True once the log can be used. It stays true when Postgres goes away later.</summary>
    public bool IsReady => ready.Task.IsCompletedSuccessfully;

    /// <summary>Why it cannot be used yet, as far as is known; null when it can, or nothing is known.</summary>
    internal string? Problem { get; set; }

    /// <summary>Completes when the log can be used: at once, unless Postgres has not answered since this process started.</summary>
    public Task Wait(CancellationToken ct) => ready.Task.WaitAsync(ct);

    internal void Set() => ready.TrySetResult();
}
