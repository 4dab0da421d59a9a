namespace Kuik.EventLog.Audit;

/// <summary>The uses to list; null for any.</summary>
/// <param name="Image">The normalised reference.</param>
/// <param name="Digest"><c>sha256:</c> and 64 hex digits.</param>
/// <param name="Namespace">The namespace.</param>
/// <param name="Node">The node's name.</param>
/// <param name="Owner">The top controller, for example <c>Deployment/web</c>.</param>
/// <param name="ServiceAccount">The ServiceAccount's name.</param>
public sealed record UseFilter(
    string? Image = null, string? Digest = null, string? Namespace = null, string? Node = null, string? Owner = null,
    string? ServiceAccount = null)
{
    /// <summary>True for a use that is to be listed.</summary>
    public bool Covers(ImageUse use) =>
        Fits(Image, use.Image) && Fits(Digest, use.Digest) && Fits(Namespace, use.Namespace) && Fits(Node, use.Node)
        && Fits(Owner, use.Owner) && Fits(ServiceAccount, use.ServiceAccount);

    private static bool Fits(string? asked, string? value) => asked is null || asked == value;
}
