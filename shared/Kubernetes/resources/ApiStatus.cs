namespace Kuik.Kubernetes;

/// <summary>The API's description of an error (kind <c>Status</c>).</summary>
/// <param name="Code">An HTTP status code.</param>
/// <param name="Reason">For example <c>Expired</c>, <c>AlreadyExists</c>.</param>
/// <param name="Message">A sentence for operators.</param>
/// <param name="Details">Details of some errors; null for none.</param>
public sealed record ApiStatus(int? Code, string? Reason, string? Message, ApiStatusDetails? Details = null);

/// <summary>Details of an error.</summary>
/// <param name="RetryAfterSeconds">The wait that the API asks for; null or 0 for none.</param>
public sealed record ApiStatusDetails(int? RetryAfterSeconds);
