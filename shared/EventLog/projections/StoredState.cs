using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>The stored state of an image's stream.</summary>
/// <param name="Stream">Its key.</param>
/// <param name="StreamVersion">The number of its events; 0 when it does not exist.</param>
/// <param name="Version">The number of events in <paramref name="State"/>.</param>
/// <param name="State">The snapshot.</param>
internal sealed record StoredState(string Stream, long StreamVersion, long Version, ImageState State);
