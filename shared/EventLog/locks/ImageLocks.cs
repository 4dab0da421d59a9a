using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>
/// The lock between using an image and expiring it. A pod that starts to use a known image does not append to the image's stream, so the
/// stream's version protects nothing: transactions that add usage rows hold the image's lock shared, the decision that nothing uses it
/// holds it exclusively. Both are held until the end of the transaction.
/// </summary>
public static class ImageLocks
{
    /// <summary>
    /// Takes the locks before usage rows are added. Other transactions may use the images at the same time; none
    /// expires them until this one ends.
    /// </summary>
    /// <param name="transaction">The decision.</param>
    /// <param name="images">Normalised references.</param>
    /// <param name="ct">Cancels the wait.</param>
    public static Task TakeToUse(EventLogTransaction transaction, IEnumerable<string> images, CancellationToken ct) =>
        AdvisoryLocks.Share(transaction.Connection, images.Select(StreamName.OfImage), ct);

    /// <summary>
    /// Takes the lock before usage rows are counted to decide that nothing uses the image. No transaction
    /// starts to use it until this one ends.
    /// </summary>
    /// <param name="transaction">The decision.</param>
    /// <param name="image">The normalised reference.</param>
    /// <param name="ct">Cancels the wait.</param>
    public static Task TakeToExpire(EventLogTransaction transaction, string image, CancellationToken ct) =>
        AdvisoryLocks.Take(transaction.Connection, [StreamName.OfImage(image)], ct);
}
