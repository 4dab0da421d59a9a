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
    public static async Task<string> In(EventLogTransaction log, EventStream<ImageState> stream, DateTimeOffset now, CancellationToken ct)
    {
        await In(log, [stream], now, ct);
        return stream.State.ObjectName!;
    }

    /// <summary>The same for several images, with one question.</summary>
    /// <inheritdoc cref="In(EventLogTransaction, EventStream{ImageState}, DateTimeOffset, CancellationToken)"/>
    public static async Task In(
        EventLogTransaction log, IReadOnlyCollection<EventStream<ImageState>> streams, DateTimeOffset now, CancellationToken ct)
    {
        var unnamed = streams.Where(stream => stream.State.ObjectName is null)
            .Select(stream => (Stream: stream, Image: ImageReference.Parse(StreamName.ImageOf(stream.Name)))).ToList();
        if (unnamed.Count == 0)
            return;
        var owners = (await log.Session.LoadManyAsync<TakenName>(ct, [.. unnamed.SelectMany(one => NamesOf(one.Image)).Distinct()]))
            .ToDictionary(taken => taken.Id, taken => taken.Image);
        foreach (var (stream, image) in unnamed)
        {
            var name = NamesOf(image).FirstOrDefault(name => owners.GetValueOrDefault(name, image.ToString()) == image.ToString())
                ?? throw new InvalidOperationException($"no object name is left for {image}: {ObjectName.Distinct(image)} is another image's");
            if (owners.TryAdd(name, image.ToString()))
                log.Session.Insert(new TakenName(name, image.ToString()));   // two images at once: the second one's transaction runs again
            stream.Append(new ImageNamed(image.ToString(), name, now));
        }
    }

    private static string[] NamesOf(ImageReference image) => [ObjectName.Of(image), ObjectName.Distinct(image)];
}
