namespace Kuik.PodWatcher;

/// <summary>The options of a <see cref="Controller"/>.</summary>
/// <param name="What">The plural of its keys, for logs, metrics and readiness: <c>pods</c>.</param>
/// <param name="Workers">The number of concurrent workers.</param>
/// <param name="Batch">The limit of keys that a worker takes at once.</param>
internal sealed record ControllerOptions(string What, int Workers, int Batch = 1);
