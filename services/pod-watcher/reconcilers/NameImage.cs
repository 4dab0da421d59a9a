using Kuik.Contracts;
using Kuik.EventLog;

namespace Kuik.PodWatcher;

/// <summary>Assigns the name of an image's CachedImage: v1's, or a distinct one where another image has that. Recorded as
/// <see cref="ImageNamed"/> and kept.</summary>
internal static class NameImage
{
    /// <summary>Names the image in a transaction, unless it has a name. The assignment holds when the transaction commits.</summary>
    /// <returns>Its name.</returns>
    /// <exception cref="InvalidOperationException">Other images have both names: the hashes of two references begin with the same eight hex
    /// digits.</exception>
    public static async Task<string> In(EventLogTransaction log, EventStream<ImageState> stream, DateTimeOffset now, CancellationToken ct)
    {
        await In(log, [stream], now, ct);
        return stream.State.ObjectName!;
    }

    /// <summary>The same for several images, with one query.</summary>
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
                ?? throw new InvalidOperationException(
                    $"no object name is left for {image}: {ObjectName.Distinct(image)} is another image's");
            if (owners.TryAdd(name, image.ToString()))
                // on a concurrent insert, the second transaction fails and runs again
                log.Session.Insert(new TakenName(name, image.ToString()));
            stream.Append(new ImageNamed(image.ToString(), name, now));
        }
    }

    private static string[] NamesOf(ImageReference image) => [ObjectName.Of(image), ObjectName.Distinct(image)];
}
