namespace Kuik.Webhook;

/// <summary>The decision about one container's image, with its reason.</summary>
/// <param name="Container">The container.</param>
/// <param name="Outcome">The decision.</param>
/// <param name="Why">Why it stays as it is, for a person; empty when it does not.</param>
/// <param name="Image">The image to put in its place; null when it stays.</param>
public sealed record ImageDecision(Container Container, Outcome Outcome, string Why, string? Image = null);
