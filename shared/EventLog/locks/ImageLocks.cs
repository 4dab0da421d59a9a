using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>
/// The order between using an image and expiring it. A pod that starts to use a known image does not touch the image's stream, so the
/// stream's version protects nothing: whoever adds a usage row shares the image's lock, whoever decides that nothing uses it holds it alone.
/// Both end with the transaction.
/// </summary>
public static class ImageLocks
{
    /// <summary>Before usage rows are added. Others may use the images at the same time; nobody expires them until this transaction ends.</summary>
    /// <param name="transaction">The decision.</param>
    /// <param name="images">Normalised references.</param>
    /// <param name="ct">Ends the waiting.</param>
    public static Task TakeToUse(EventLogTransaction transaction, IEnumerable<string> images, CancellationToken ct) =>
        AdvisoryLocks.Share(transaction.Connection, images.Select(StreamName.OfImage), ct);

    /// <summary>Before usage rows are counted to decide that nothing uses the image. Nobody starts to use it until this transaction ends.</summary>
    /// <param name="transaction">The decision.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="ct">Ends the waiting.</param>
    public static Task TakeToExpire(EventLogTransaction transaction, string image, CancellationToken ct) =>
        AdvisoryLocks.Take(transaction.Connection, [StreamName.OfImage(image)], ct);
}
