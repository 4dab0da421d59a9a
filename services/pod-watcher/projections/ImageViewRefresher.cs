using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// Keeps the image views in memory up to date and queues changes. While Postgres is unreachable it retries with growing pauses.
/// </summary>
internal sealed partial class ImageViewRefresher(ImageViews views, WorkQueue images, WorkQueue repositories, TimeProvider time,
    ILogger<ImageViewRefresher> logger)
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when all views have been read, as of the start of this replica's leadership.</summary>
    public Task First => _first.Task;

    /// <summary>Why the views may be outdated; null while they are current.</summary>
    public string? Problem { get; private set; } = "images are not read yet";

    /// <summary>Refreshes until cancelled.</summary>
    /// <exception cref="Exception">The log holds an event that this version cannot read.</exception>
    public async Task Refresh(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        var hasFailed = false;
        while (true)
        {
            try
            {
                var areCurrent = _first.Task.IsCompleted || await views.AreCurrent(ct);
                var news = await views.Refresh(ct);
                images.Add(news);
                repositories.Add(news.Select(image => ImageReference.Parse(image).Name).Distinct());
                if (hasFailed)   // perhaps half-way: then some have been read and not queued
                    images.Add(views.All.Select(view => view.Image), isUrgent: false);
                (hasFailed, Problem) = (false, areCurrent ? null : "images are being projected from the log");
                backOff.Reset();
                if (areCurrent)
                    _first.TrySetResult();
                await Task.Delay(Pace, time, ct);
            }
            catch (Exception fault) when (!ct.IsCancellationRequested && !EventLogFault.MeansUnreadable(fault))
            {
                var reason = $"images cannot be read: {Failure.From(fault).Reason}";
                if (Problem != reason)
                    LogNotRefreshed(Failure.From(fault).Reason);
                (hasFailed, Problem) = (true, reason);
                await backOff.Wait(ct);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "images cannot be read from Postgres ({Reason}); trying again with growing pauses, resources are not up to date until "
            + "then")]
    private partial void LogNotRefreshed(string reason);
}
