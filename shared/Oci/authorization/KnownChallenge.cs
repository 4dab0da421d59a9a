namespace Kuik.Oci;

/// <summary>A challenge of a repository that was answered with success.</summary>
/// <param name="Challenge">As the registry sent it.</param>
/// <param name="IsFromPing">It came from <c>/v2/</c>: about the repository itself the registry only says 404 or 403 without a
/// token.</param>
internal sealed record KnownChallenge(Challenge Challenge, bool IsFromPing);
