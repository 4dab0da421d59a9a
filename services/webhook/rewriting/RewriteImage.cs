using Kuik.Contracts;

namespace Kuik.Webhook;

/// <summary>Decides about one container's image: v1's rules in v1's order, but digests are rewritten and foreign <c>localhost:PORT</c>
/// registries are not.</summary>
public static class RewriteImage
{
    /// <summary>The image is pulled from node-proxy, and is the local name of this original.</summary>
    /// <param name="image">The image.</param>
    /// <param name="original">The annotation.</param>
    /// <param name="options">The settings.</param>
    public static bool IsOurs(string image, string original, RewriteOptions options) =>
        LocalReference.TryRest(image, out var port, out _) && options.IsOurPort(port) && IsLocalNameOf(image, port, original);

    /// <summary>Decides about one container's image.</summary>
    /// <param name="container">The container.</param>
    /// <param name="isMarked">The pod is new, or carries <see cref="Names.RewriteAnnotation"/>.</param>
    /// <param name="options">The settings.</param>
    public static ImageDecision Decide(Container container, bool isMarked, RewriteOptions options)
    {
        var image = container.Image;
        ImageDecision Stays(Outcome outcome, string why) => new(container, outcome, why);

        // 1. Pull policies: the node never pulls, or always pulls.
        if (container.PullPolicy == "Never")
            return Stays(Outcome.PullPolicyNever, "pull policy Never");
        if (options.IgnorePullPolicyAlways && PullsAlways(container))
            return Stays(Outcome.PullPolicyAlways, "pull policy Always");

        // 2. Images that the options exclude, by the image as it is written.
        if (options.IgnoredImages.FirstOrDefault(expression => expression.IsMatch(image)) is { } ignored)
            return Stays(Outcome.Ignored, $"ignored by {ignored}");
        if (options.AcceptedImages.Count > 0 && !options.AcceptedImages.Any(expression => expression.IsMatch(image)))
            return Stays(Outcome.NotAccepted, "not among the accepted images");

        // 3. Images that are rewritten already.
        if (LocalReference.TryRest(image, out var port, out _))
            return DecideLocal(container, port, isMarked, options);

        // 4. Everything else, if it has a local name and the container a name to keep the original under.
        if (container.Name.Length == 0)
            return Stays(Outcome.NoLocalName, "the container has no name");
        if (!LocalReference.TryWrite(image, options.Port, out var local, out var problem))
            return Stays(Outcome.NoLocalName, problem);
        return isMarked
            ? new ImageDecision(container, Outcome.Rewritten, "", local)
            : Stays(Outcome.NotMarked, "the pod is not marked for rewriting");
    }

    private static ImageDecision DecideLocal(Container container, int port, bool isMarked, RewriteOptions options)
    {
        ImageDecision Stays(Outcome outcome, string why) => new(container, outcome, why);

        if (!options.IsOurPort(port))
            return Stays(Outcome.LocalRegistry, $"localhost:{port} is a registry of the node itself");
        if (container.Original is not { } original)
            return Stays(Outcome.LocalRegistry, $"localhost:{port}, but no annotation says that we wrote it");
        if (!IsLocalNameOf(container.Image, port, original))
            return Stays(Outcome.LocalRegistry, $"localhost:{port}, but its annotation says another image");
        if (port == options.Port)
            return Stays(Outcome.AlreadyRewritten, "rewritten already");
        if (!isMarked)
            return Stays(Outcome.NotMarked, "the pod is not marked for rewriting");
        if (!LocalReference.TryWrite(original, options.Port, out var local, out var problem))
            return Stays(Outcome.NoLocalName, problem);
        return new ImageDecision(container, Outcome.Repointed, "", local);
    }

    // As we write it, or as v1 did: host-port where we write host_port.
    private static bool IsLocalNameOf(string local, int port, string original) =>
        (ImageReference.TryParse(original, out var image, out _) && LocalReference.TryRead(local, [port], out var readBack)
            && readBack == image)
        || local == $"localhost:{port}/{AsV1Wrote(original)}";

    private static string AsV1Wrote(string original)
    {
        var slash = original.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? original : original[..slash].Replace(':', '-') + original[slash..];
    }

    // Kubernetes sets the policy before admission; where it did not, this is what it would set.
    private static bool PullsAlways(Container container) => container.PullPolicy switch
    {
        "Always" => true,
        "" => ImageReference.TryParse(container.Image, out var image, out _) && image.Tag == "latest",
        _ => false,
    };
}
