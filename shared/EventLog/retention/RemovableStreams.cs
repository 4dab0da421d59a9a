using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>The decision which streams have ended: nothing that exists or is to happen rests on one.</summary>
internal static class RemovableStreams
{
    private const string Images = "image/";

    /// <summary>True for an event with which a stream may end.</summary>
    /// <param name="stream">The stream's key.</param>
    /// <param name="type">The event's name.</param>
    public static bool MayEnd(string stream, string type) =>
        type is nameof(PodGone) or nameof(WorkloadGone) || stream.StartsWith(Images, StringComparison.Ordinal);

    /// <summary>True for the stream of an image.</summary>
    public static bool IsOfImage(string stream) => stream.StartsWith(Images, StringComparison.Ordinal);

    /// <summary>True when the stream of an image has ended, if nothing uses it and no work is open.</summary>
    /// <param name="image">The state after its last event.</param>
    public static bool HasEnded(ImageState image) => image.Phase == ImagePhase.Gone && !image.IsRetained;
}
