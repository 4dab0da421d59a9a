using System.Text.Json.Nodes;

namespace Kuik.Webhook;

/// <summary>The decision about a pod.</summary>
/// <param name="Patch">JSON Patch (RFC 6902); empty when nothing changes.</param>
/// <param name="Containers">Each container and image volume that was looked at.</param>
/// <param name="LeftAlone">Why the pod as a whole is left alone; null when it is not.</param>
/// <param name="Skipped">Containers and volumes that were not looked at, because there are too many; 0 otherwise.</param>
public sealed record PodDecision(JsonArray Patch, IReadOnlyList<ImageDecision> Containers, string? LeftAlone = null, int Skipped = 0);
