using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The answer with a blob, or a part of it.</summary>
internal static class BlobAnswer
{
    /// <summary>In bytes.</summary>
    public const int ChunkSize = 256 * 1024;

    /// <summary>Sends what the spool has from one byte to another, as it arrives; to the end of the blob at most.</summary>
    /// <exception cref="CopyException">No source gave the rest.</exception>
    public static async Task Send(HttpContext http, SpoolReader blob, long from, long to)
    {
        var output = http.Response.BodyWriter;
        await output.FlushAsync(http.RequestAborted);   // the head, before the first bytes: an answer is promised within a second
        for (var at = from; at <= to;)
        {
            var room = output.GetMemory(ChunkSize);
            var got = await blob.Read(room[..(int)Math.Min(room.Length, to - at + 1)], at, http.RequestAborted);
            if (got == 0)
                break;
            output.Advance(got);
            at += got;
            if ((await output.FlushAsync(http.RequestAborted)).IsCompleted)
                break;   // the client has left
        }
    }

    /// <summary>The part that is asked for (RFC 9110 section 14.2), the whole blob when none is or when there are several. An empty blob
    /// has no parts.</summary>
    public static (long From, long To) RangeOf(HttpContext http, long size)
    {
        if (size == 0 || !RangeHeaderValue.TryParse(http.Request.Headers.Range, out var header)
            || header is not { Unit: "bytes", Ranges.Count: 1 } || header.Ranges.First() is not { } range)
            return (0, size - 1);
        http.Response.StatusCode = StatusCodes.Status206PartialContent;
        return range.From is { } from
            ? (from, from >= size ? from - 1 : Math.Min(range.To ?? long.MaxValue, size - 1))
            : (Math.Max(0, size - range.To!.Value), size - 1);
    }

    /// <summary>Sets the headers of an answer with a blob, or a part of it.</summary>
    /// <param name="http">The request.</param>
    /// <param name="digest">The blob's digest.</param>
    /// <param name="length">Bytes of the answer; null when unknown.</param>
    public static void Describe(HttpContext http, string digest, long? length)
    {
        http.Response.ContentType = "application/octet-stream";
        http.Response.ContentLength = length;
        http.Response.Headers.AcceptRanges = "bytes";
        http.Response.Headers.ETag = $"\"{digest}\"";
        http.Response.Headers["Docker-Content-Digest"] = digest;
    }
}
