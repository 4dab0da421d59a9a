namespace Kuik.EventLog.Audit;

/// <summary>A question about an image and its users.</summary>
/// <param name="Image">The normalised reference.</param>
public sealed record UseQuestion(string Image)
{
    /// <summary>The place in the log; null for its end.</summary>
    public Instant? At { get; init; }

    /// <summary>Only users in this namespace, and only an image that one of them uses; null for all.</summary>
    public string? Namespace { get; init; }

    /// <summary>The users to leave out, from the first one on. Default 0.</summary>
    public int Skip { get; init; }

    /// <summary>The number of users; null for all.</summary>
    public int? Limit { get; init; }
}
