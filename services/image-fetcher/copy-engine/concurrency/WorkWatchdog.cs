using System.Collections.Concurrent;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The health check for stuck work. Every wait in the engine has its own limit, the longest of ten minutes: work that makes no progress for
/// longer than <see cref="Limit"/> is stuck by a defect, and <c>/healthz</c> answers 503, so that the process is restarted.
/// </summary>
internal sealed class WorkWatchdog(TimeProvider time) : IHealthCheck
{
    /// <summary>The age from which work without progress counts as stuck.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(20);

    private readonly ConcurrentDictionary<Work, bool> _running = new();

    /// <summary>The oldest work without progress; null when none is running.</summary>
    public (string What, TimeSpan Age)? Oldest => _running.Keys.MinBy(work => work.MovedAt) is { } oldest
        ? (oldest.What, time.GetElapsedTime(oldest.MovedAt)) : null;

    /// <summary>Starts watching work; disposing of the result ends it.</summary>
    /// <param name="what">The work's name in the health check's text: <c>download of blob sha256:…</c>.</param>
    public Work Begin(string what)
    {
        var work = new Work(this, what) { MovedAt = time.GetTimestamp() };
        _running[work] = true;
        return work;
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(
        Oldest is { } oldest && oldest.Age > Limit
            ? HealthCheckResult.Unhealthy($"the {oldest.What} has made no progress for {oldest.Age.TotalMinutes:0} min")
            : HealthCheckResult.Healthy());

    /// <summary>Work in progress.</summary>
    internal sealed class Work(WorkWatchdog watchdog, string what) : IDisposable
    {
        private long _movedAt;

        public string What => what;

        public long MovedAt { get => Interlocked.Read(ref _movedAt); init => _movedAt = value; }

        /// <summary>Notes progress.</summary>
        public void Progress() => Interlocked.Exchange(ref _movedAt, watchdog.Now());

        public void Dispose() => watchdog._running.TryRemove(this, out _);
    }

    private long Now() => time.GetTimestamp();
}
