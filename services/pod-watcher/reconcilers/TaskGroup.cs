namespace Kuik.PodWatcher;

/// <summary>Tasks that end together.</summary>
internal static class TaskGroup
{
    /// <summary>Runs all of them until one ends, then cancels the others and waits for them.</summary>
    /// <exception cref="Exception">What ended the first one.</exception>
    public static async Task Run(CancellationToken ct, params IEnumerable<Func<CancellationToken, Task>> parts)
    {
        using var together = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task[] tasks = [.. parts.Select(part => part(together.Token))];
        var first = await Task.WhenAny(tasks);
        await together.CancelAsync();
        await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // the others were told to end; the first one says why
        await first;
    }
}
