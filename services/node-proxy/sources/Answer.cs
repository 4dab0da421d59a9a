using System.Net.Http.Headers;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>The answer of a source.</summary>
internal abstract record Answer
{
    /// <summary>A manifest.</summary>
    /// <param name="Digest">Of its bytes.</param>
    /// <param name="MediaType">As the origin serves it.</param>
    /// <param name="Size">In bytes.</param>
    /// <param name="Bytes">Verified; null after a HEAD.</param>
    public sealed record ManifestAnswer(string Digest, string MediaType, long Size, byte[]? Bytes) : Answer;

    /// <summary>Not here, or this source cannot say: ask the next one.</summary>
    /// <param name="Why">The reason, in a few words, for log and error body.</param>
    /// <param name="IsSilent">The source gave no usable answer: nothing is known about the object. Otherwise it answered that it does not
    /// have it.</param>
    public sealed record Passed(string Why, bool IsSilent = false) : Answer
    {
        /// <summary>The same for the log, where it says more than a client is to be told; null when it does not.</summary>
        public string? Detail { get; init; }
    }

    /// <summary>A verdict on the request that is final.</summary>
    /// <param name="Status">HTTP status.</param>
    /// <param name="Body">Error body of the distribution specification.</param>
    /// <param name="RetryAfter">Header of that name; null when there was none.</param>
    public sealed record Refused(int Status, string Body, string? RetryAfter) : Answer
    {
        /// <summary>Of a 416: <c>bytes */size</c>; null when the size of the blob is not known.</summary>
        public string? ContentRange { get; init; }

        /// <summary>The size of a blob as a 416 has it; null when it has none.</summary>
        public static string? SizeIn(HttpResponseMessage refusal) =>
            refusal.Content.Headers.ContentRange is { Unit: "bytes", HasLength: true, HasRange: false } size ? size.ToString() : null;
    }

    /// <summary>The cache registry lists referrers itself, on more than one page: its answers are relayed.</summary>
    public sealed record Pages : Answer;

    /// <summary>A page of a repository's tags.</summary>
    public sealed record Tags(TagPage Page) : Answer;

    /// <summary>The client is to fetch the blob elsewhere.</summary>
    public sealed record Elsewhere(int Status, Uri Location) : Answer;

    /// <summary>A blob, or the part of it that was asked for: the head has been read, the body not yet.</summary>
    /// <param name="Response">Disposed with this.</param>
    /// <param name="Slot">A limiter slot that is held until disposal; null for none.</param>
    public sealed record Blob(HttpResponseMessage Response, IDisposable? Slot = null) : Answer, IDisposable
    {
        /// <summary>The reason when a 206 has another range than the requested one.</summary>
        public const string AnotherPart = "it answered with another part than the one asked for";

        /// <summary>A successful answer, unless it is another part than the one asked for.</summary>
        /// <param name="response">200 or 206; disposed here when it is of no use.</param>
        /// <param name="range">The requested range; null: all.</param>
        /// <param name="slot">As in the record; disposed like the response.</param>
        public static Answer From(HttpResponseMessage response, RangeHeaderValue? range, IDisposable? slot = null)
        {
            var headers = response.Content.Headers;
            if ((int)response.StatusCode != 206
                || (range is not null && headers.ContentRange is { } part && IsPart(part, range, headers.ContentLength)))
                return new Blob(response, slot);
            response.Dispose();
            slot?.Dispose();
            return new Passed(AnotherPart);
        }

        // A range that exceeds the blob ends with the blob (RFC 9110 section 14.1.2).
        private static bool IsPart(ContentRangeHeaderValue part, RangeHeaderValue asked, long? length)
        {
            if (part is not { Unit: "bytes", HasRange: true, From: { } from, To: { } to } || asked.Ranges.First() is not { } range
                || (length ?? to - from + 1) != to - from + 1)
                return false;
            var isToTheEnd = part.Length is not { } size || to == size - 1;
            return range.From is { } first
                ? from == first && (range.To is { } last ? to == last || (to < last && part.HasLength && isToTheEnd) : isToTheEnd)
                : isToTheEnd && (part.Length is not { } whole || from == Math.Max(0, whole - range.To!.Value));
        }

        /// <summary>The checksum of the whole blob; null when there is only its digest to verify by.</summary>
        public BlobChecksum? Checksum { get; init; }

        /// <summary>
        /// Bytes a second below which its source is given up, over the time that is spent waiting for the source alone; 0 for none.
        /// </summary>
        public long MinRate { get; init; }

        /// <summary>Bytes in the body; null when the source does not say.</summary>
        public long? Length => Response.Content.Headers.ContentLength;

        /// <summary>The range of the blob in the body; null when it is all of it.</summary>
        public ContentRangeHeaderValue? Part => (int)Response.StatusCode == 206 ? Response.Content.Headers.ContentRange : null;

        public void Dispose()
        {
            Response.Dispose();
            Slot?.Dispose();
        }
    }
}
