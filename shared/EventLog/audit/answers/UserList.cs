namespace Kuik.EventLog.Audit;

/// <summary>The users of an image.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Users">By namespace and name.</param>
/// <param name="Next">The cursor of the next page; null for the last one.</param>
public sealed record UserList(string Image, IReadOnlyList<UserRow> Users, string? Next = null);
