using System.Net;
using Kuik.Contracts;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Kuik.NodeProxy;

/// <summary>Answers <c>/v2/…/manifests/&lt;tag or digest&gt;</c> from memory, else from the first source that has it.</summary>
internal sealed class ManifestEndpoint(ManifestCache memory)
{
    /// <summary>Serves a manifest.</summary>
    /// <returns>The outcome of the pull; the response is written.</returns>
    public async Task<PullOutcome> Serve(HttpContext http, ImageReference image)
    {
        var isHead = HttpMethods.IsHead(http.Request.Method);
        if (memory.Find(image, isHead) is { } remembered)
        {
            await Write(http, remembered, isHead);
            return remembered.Freshness.FromMemory;
        }
        var (found, outcome) = await memory.Ask(image, isHead, http.RequestAborted);
        await Write(http, found, isHead);
        return outcome;
    }

    private static Task Write(HttpContext http, KnownManifest known, bool isHead)
    {
        if (known.Answer is Answer.Refused refused)
            return WriteError.To(http, refused);

        var (response, asked, manifest) = (http.Response, http.Request.Headers, known.Manifest!);
        response.Headers["Docker-Content-Digest"] = known.Digest;
        response.Headers.ETag = known.ETag;
        response.Headers.AcceptRanges = "bytes";
        if (asked.IfNoneMatch.Count > 0 && IsKnown(asked.IfNoneMatch, manifest.Digest))
        {
            response.StatusCode = (int)HttpStatusCode.NotModified;
            return Task.CompletedTask;
        }
        if (asked.Range.Count > 0 && !isHead)
            return Results.Bytes(manifest.Bytes!, manifest.MediaType, enableRangeProcessing: true,
                entityTag: new EntityTagHeaderValue(known.ETag.ToString())).ExecuteAsync(http);
        response.ContentType = manifest.MediaType;
        response.ContentLength = manifest.Size;
        return isHead ? Task.CompletedTask : response.BodyWriter.WriteAsync(manifest.Bytes, http.RequestAborted).AsTask();
    }

    /// <summary>True when the client has these bytes already, by its <c>If-None-Match</c>.</summary>
    public static bool IsKnown(StringValues ifNoneMatch, string digest)
    {
        foreach (var line in ifNoneMatch)
            foreach (var tag in (line ?? "").Split(',', StringSplitOptions.TrimEntries))
                if (tag == "*" || tag.Replace("W/", "", StringComparison.Ordinal).Trim('"') == digest)
                    return true;
        return false;
    }
}
