using System.Net.Http.Headers;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>
/// Answers <c>/v2/…/blobs/&lt;digest&gt;</c>, whole or in part. A source that breaks off is continued by another replica of it, else by the
/// next one, from where it stopped; a client never sees a clean end of anything but the blob: a body that cannot be completed ends with a
/// broken connection, and the runtime retries.
/// </summary>
/// <param name="sources">In the order they are asked.</param>
/// <param name="relay">Moves the bytes.</param>
/// <param name="distrust">Circuit breakers by source and digest: sources that sent wrong bytes for a digest a while ago.</param>
/// <param name="metrics">Counts bytes and broken bodies of each source.</param>
internal sealed class BlobEndpoint(IReadOnlyList<IPullSource> sources, BlobRelay relay, CircuitBreaker distrust, ProxyMetrics metrics)
{
    /// <summary>How often a source that has replicas is asked to continue a body that one of them broke off.</summary>
    private const int MostTimesAgain = 2;

    /// <summary>Serves a blob.</summary>
    /// <returns>The outcome of the pull; the response is written, or broken off.</returns>
    public async Task<PullOutcome> Serve(HttpContext http, ImageReference image)
    {
        var passed = new PassedSources();
        var left = new Stack<IPullSource>(sources.Reverse());
        var again = 0;
        BlobTransfer? transfer = null;
        try
        {
            while (left.TryPop(out var source))
            {
                // 1. Ask: for all of it, or for the missing range.
                var answer = await Ask(source, http, image, transfer);
                switch (answer)
                {
                    case Answer.Passed pass:
                        passed.Add(source.Name, pass);
                        continue;
                    case Answer.Elsewhere when transfer is not null:
                        passed.Add(source.Name, "cannot continue it");
                        continue;
                    case Answer.Refused when transfer is not null:
                        http.Abort();   // final as ever: the next source is not asked
                        return new PullOutcome(PullOutcome.NoSource, passed.NoteWith($"{source.Name} refused"));
                    case Answer.Refused refused:
                        await WriteError.To(http, passed.Explain(refused));
                        return new PullOutcome(source.Name, passed.NoteWith($"{source.Name} refused"));
                    case Answer.Elsewhere elsewhere:
                        http.Response.StatusCode = elsewhere.Status;
                        http.Response.Headers.Location = elsewhere.Location.AbsoluteUri;
                        return new PullOutcome(source.Name, passed.Note);
                }

                // 2. Begin, or continue.
                using var blob = (Answer.Blob)answer;
                if (transfer is null && WriteHead(http, image, blob) == HeadIs.Enough)
                    return new PullOutcome(source.Name, passed.Note);
                if (transfer is not null && !transfer.IsContinuedBy(blob))
                {
                    passed.Add(source.Name, "its blob does not continue the one begun");
                    continue;
                }
                transfer ??= new BlobTransfer(image.Digest!, blob);

                // 3. Pass the bytes on.
                var before = transfer.Sent;
                RelayEnd end;
                try
                {
                    end = await relay.Relay(blob, transfer, http);
                }
                finally
                {
                    metrics.Sent(source.Name, image.Host, transfer.Sent - before);
                }
                if (end is RelayEnd.Complete)
                    return new PullOutcome(source.Name, passed.Note);
                passed.Add(source.Name, end.ToString()!);
                metrics.Miss(source.Name, MeteredSource.ReasonOf(end.ToString()));
                if (end is RelayEnd.Corrupt)
                    distrust.Trip(Trust(source, image));
                else if (source.HasReplicas && again++ < MostTimesAgain)
                    left.Push(source);   // before an origin that would send the same bytes a second time

                // 4. Nothing reached the client yet: the next source starts over. Wrong bytes did: no source can continue the body.
                if (!http.Response.HasStarted)
                {
                    transfer.Dispose();
                    transfer = null;
                    RegistryRequestHandler.BeginAnew(http.Response);
                }
                else if (transfer.IsSpoilt)
                {
                    break;
                }
            }
        }
        finally
        {
            transfer?.Dispose();
        }

        // 5. No source is left.
        if (http.Response.HasStarted)
            http.Abort();
        else
            await WriteError.To(http, passed.NoneLeft(image));
        return new PullOutcome(PullOutcome.NoSource, passed.Note);
    }

    private enum HeadIs
    {
        Enough,
        FollowedByBody,
    }

    private static string Trust(IPullSource source, ImageReference image) => $"{source.Name} {image.Digest}";

    private async Task<Answer> Ask(IPullSource source, HttpContext http, ImageReference image, BlobTransfer? transfer) =>
        distrust.MayAsk(Trust(source, image))
            ? await source.AskBlob(image, HttpMethods.IsHead(http.Request.Method),
                transfer?.Missing ?? ReadRange(http.Request, image.Digest!), http.RequestAborted)
            : new Answer.Passed("sent wrong bytes for this digest a while ago");

    private static HeadIs WriteHead(HttpContext http, ImageReference image, Answer.Blob blob)
    {
        var response = http.Response;
        response.Headers["Docker-Content-Digest"] = image.Digest;
        response.Headers.ETag = $"\"{image.Digest}\"";
        response.Headers.AcceptRanges = "bytes";
        if (ManifestEndpoint.IsKnown(http.Request.Headers.IfNoneMatch, image.Digest!))
        {
            response.StatusCode = 304;
            return HeadIs.Enough;
        }
        response.StatusCode = blob.Part is null ? 200 : 206;
        response.ContentType = "application/octet-stream";
        response.ContentLength = blob.Length;
        if (blob.Part is { } part)
            response.Headers.ContentRange = part.ToString();
        return HttpMethods.IsHead(http.Request.Method) ? HeadIs.Enough : HeadIs.FollowedByBody;
    }

    // A range that cannot be read, that asks for several parts, or that is meant for another blob (If-Range) is ignored, as RFC 9110 has
    // it.
    private static RangeHeaderValue? ReadRange(HttpRequest request, string digest)
    {
        if (request.Headers.IfRange is { Count: > 0 } ifRange && ifRange.ToString() != $"\"{digest}\"")
            return null;
        return RangeHeaderValue.TryParse(request.Headers.Range.ToString(), out var range) && range is { Unit: "bytes", Ranges.Count: 1 }
            ? range
            : null;
    }
}
