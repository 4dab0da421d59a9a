namespace Kuik.Kubernetes;

/// <summary>The values of <see cref="CachedImageStatus.Phase"/>: v1's, and <see cref="Invalid"/>.</summary>
public static class CachedImagePhase
{
    public const string Synchronizing = nameof(Synchronizing);
    public const string Pulling = nameof(Pulling);
    public const string ErrImagePull = nameof(ErrImagePull);
    public const string Ready = nameof(Ready);
    public const string Terminating = nameof(Terminating);

    /// <summary><c>spec.sourceImage</c> is not an image reference.</summary>
    public const string Invalid = nameof(Invalid);
}
