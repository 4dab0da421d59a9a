namespace Kuik.ImageFetcher;

/// <summary>Keys of AWS, temporary or permanent. Never written to a log: <see cref="ToString"/> contains nothing of them.</summary>
/// <param name="Id">The access key's id.</param>
/// <param name="Secret">The secret access key.</param>
/// <param name="SessionToken">The session token of temporary keys; null for others.</param>
internal sealed record AwsKeys(string Id, string Secret, string? SessionToken)
{
    public override string ToString() => "(keys)";
}
