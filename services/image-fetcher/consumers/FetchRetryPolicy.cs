using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Kuik.ImageFetcher;

/// <summary>When a failed copy is tried again. Nothing waits in memory for it: the time is recorded, and expiry announces the image when it
/// has come.</summary>
public static class FetchRetryPolicy
{
    /// <summary>
    /// The first wait and the longest, by kind of failure. What a person has to change is tried now and then all the same: the person may
    /// have.
    /// </summary>
    internal static readonly OrderedDictionary<string, (TimeSpan First, TimeSpan Longest)> Waits = new()
    {
        ["gone"] = (TimeSpan.FromMinutes(5), TimeSpan.FromHours(6)),
        ["refused"] = (TimeSpan.FromMinutes(2), TimeSpan.FromHours(1)),
        ["rate-limited"] = (TimeSpan.FromMinutes(2), TimeSpan.FromHours(1)),
        ["broken"] = (TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(30)),
        ["unreachable"] = (TimeSpan.FromSeconds(15), TimeSpan.FromMinutes(10)),
        ["cache"] = (TimeSpan.FromSeconds(15), TimeSpan.FromMinutes(5)),
        ["internal"] = (TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(30)),
    };

    // No registry means it when it asks for more: Docker Hub's longest window is six hours.
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(24);

    /// <summary>
    /// Twice as long with each failure in a row, up to the kind's limit; never before the time the origin asked for; and up to a quarter
    /// later, so that images that failed together do not come back together. The same arguments give the same time.
    /// </summary>
    /// <param name="image">The normalised reference.</param>
    /// <param name="kind">As in <c>ImageFetchFailed</c>.</param>
    /// <param name="failures">How many copies in a row have failed, this one included: 1 or more.</param>
    /// <param name="retryAfter">The wait that the origin asked for; null for none.</param>
    /// <param name="now">When it failed.</param>
    /// <exception cref="KeyNotFoundException">There is no such kind.</exception>
    public static DateTimeOffset At(string image, string kind, int failures, TimeSpan? retryAfter, DateTimeOffset now)
    {
        var (first, longest) = Waits[kind];
        var wait = first * Math.Pow(2, Math.Min(failures - 1, 20));
        wait = wait < longest ? wait : longest;
        var asked = retryAfter is { } after ? (after < LongestRetryAfter ? after : LongestRetryAfter) : TimeSpan.Zero;
        wait = wait > asked ? wait : asked;
        return now + wait * (1 + Share($"{image}#{failures}") / 4);
    }

    // Between 0 and 1, the same for the same text.
    private static double Share(string text) =>
        BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text))) / (double)uint.MaxValue;
}
