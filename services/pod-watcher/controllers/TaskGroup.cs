namespace Kuik.PodWatcher;

/// <summary>Tasks that end together.</summary>
internal static class TaskGroup
{
    /// <summary>Runs all of them until one ends, then cancels the others and waits for them.</summary>
    /// <exception cref="Exception">The exception of the first one that ended.</exception>
    public static async Task Run(CancellationToken ct, params IEnumerable<Func<CancellationToken, Task>> parts)
    {
        using var together = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task[] tasks = [.. parts.Select(part => part(together.Token))];
        var first = await Task.WhenAny(tasks);
        await together.CancelAsync();
        // The others were cancelled; the first one has the cause.
        await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first;
    }
}
