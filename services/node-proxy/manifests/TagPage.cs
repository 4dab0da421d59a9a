namespace Kuik.NodeProxy;

/// <summary>One page of a repository's tags.</summary>
/// <param name="Json">As the specification has it, without Kuik's own tags.</param>
/// <param name="IsEmpty">There is no tag on it.</param>
/// <param name="Next">Query of the next page; null on the last one.</param>
internal sealed record TagPage(string Json, bool IsEmpty, string? Next);
