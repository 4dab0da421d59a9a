namespace Kuik.Webhook;

/// <summary>A container or an image volume as the pod has it.</summary>
/// <param name="List">Where it is: <c>containers</c>, <c>initContainers</c>, <c>ephemeralContainers</c> or <c>volumes</c>.</param>
/// <param name="Index">At which place there.</param>
/// <param name="Name">Its name; empty if it has none.</param>
/// <param name="Image">Its image (of a volume <c>image.reference</c>); empty if it has none.</param>
/// <param name="PullPolicy"><c>Always</c>, <c>IfNotPresent</c> or <c>Never</c>; empty if not set.</param>
/// <param name="Original">Its image before the rewrite, from the annotation; null without one.</param>
public sealed record Container(string List, int Index, string Name, string Image, string PullPolicy, string? Original);
