namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The instrumentation of work.</summary>
/// <param name="Name">The label of its metric: <c>manifest</c>.</param>
/// <param name="Metrics">Counts joins.</param>
/// <param name="Watchdog">Null for work that may take hours, whose parts are watched instead.</param>
internal sealed record WorkInstrumentation(string Name, EngineMetrics Metrics, WorkWatchdog? Watchdog = null);
