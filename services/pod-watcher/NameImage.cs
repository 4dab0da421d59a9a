using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>An object name that is taken, for good: an image that comes back has the name it had.</summary>
/// <param name="Id">The name of a CachedImage.</param>
/// <param name="Image">Whose it is.</param>
public sealed record TakenName(string Id, string Image);

/// <summary>Gives an image's CachedImage its name: v1's, or where another image has that, one of its own. Recorded as <see cref="ImageNamed"/> and kept.</summary>
internal static class NameImage
{
    /// <summary>Names the image in a transaction, unless it has a name. The name is this image's when the transaction commits.</summary>
    /// <returns>The name it has.</returns>
    /// <exception cref="InvalidOperationException">Both names are taken: eight hex digits of two references are the same.</exception>
    public static async Task<string> In(EventLogTransaction log, EventStream<ImageState> stream, ImageReference image, DateTimeOffset now, CancellationToken ct)
    {
        if (stream.State.ObjectName is { } already)
            return already;
        foreach (var name in new[] { ObjectName.Of(image), ObjectName.Distinct(image) })
        {
            if (await log.Session.LoadAsync<TakenName>(name, ct) is { } taken && taken.Image != image.ToString())
                continue;
            log.Session.Insert(new TakenName(name, image.ToString()));   // two images at once: the second one's transaction runs again
            stream.Append(new ImageNamed(image.ToString(), name, now));
            return name;
        }
        throw new InvalidOperationException($"no object name is left for {image}: {ObjectName.Distinct(image)} is another image's");
    }
}
