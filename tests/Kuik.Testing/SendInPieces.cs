using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Kuik.Testing;

/// <summary>Called before each piece of a body, which waits for the result.</summary>
/// <param name="http">The request and its response.</param>
/// <param name="at">Offset of the piece in the whole blob.</param>
public delegate Task BeforePiece(HttpContext http, int at);

/// <summary>
/// An origin's correct response, ranges included, sent piece by piece: for origins that are slow, or break off, rather than wrong.
/// </summary>
public static class SendInPieces
{
    /// <summary>In bytes. An origin that is held at a multiple of it has sent exactly that much.</summary>
    public const int PieceSize = 16 << 10;

    /// <summary>Sends the response.</summary>
    /// <param name="before">Called before each piece.</param>
    /// <param name="beforeHead">Awaited before the headers; null for none.</param>
    public static Misbehaviour Each(BeforePiece before, Func<HttpContext, Task>? beforeHead = null) => async (http, body) =>
    {
        try
        {
            if (beforeHead is not null)
                await beforeHead(http);
            var at = WriteHead(http, body);
            if (HttpMethods.IsHead(http.Request.Method))
                return;
            await http.Response.StartAsync(http.RequestAborted);
            while (at < body.Length)
            {
                await before(http, at);
                var length = Math.Min(PieceSize - at % PieceSize, body.Length - at);
                http.RequestAborted.ThrowIfCancellationRequested();
                await http.Response.Body.WriteAsync(body.AsMemory(at, length), http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
                at += length;
            }
        }
        catch (OperationCanceledException)
        {
            // The client has disconnected, or the script has broken it off.
        }
    };

    /// <summary>Sends it at a number of bytes a second.</summary>
    public static Misbehaviour Paced(int bytesPerSecond) =>
        Each((http, _) => Task.Delay(TimeSpan.FromSeconds((double)PieceSize / bytesPerSecond), http.RequestAborted));

    /// <summary>Sends part of the body, and the rest when a gate opens.</summary>
    /// <param name="at">A multiple of <see cref="PieceSize"/>.</param>
    /// <param name="gate">Opens.</param>
    public static Misbehaviour HoldAt(int at, Task gate) =>
        Each((http, here) => here >= at ? gate.WaitAsync(http.RequestAborted) : Task.CompletedTask);

    /// <summary>Sends up to an offset of the blob and drops the connection; a request from there on is answered whole.</summary>
    /// <param name="at">A multiple of <see cref="PieceSize"/>.</param>
    public static Misbehaviour BreakOffAt(int at) => Each(async (http, here) =>
    {
        if (here != at)
            return;
        await Task.Delay(TimeSpan.FromMilliseconds(200), http.RequestAborted);   // what has been sent arrives before the reset does
        http.Abort();
        throw new OperationCanceledException();
    });

    /// <summary>Sets status, length and range of a correct response.</summary>
    /// <returns>The offset of its first byte.</returns>
    internal static int WriteHead(HttpContext http, byte[] body)
    {
        http.Response.ContentType ??= "application/octet-stream";
        http.Response.Headers["Docker-Content-Digest"] = TestBlob.DigestOf(body);
        var from = 0;
        if (http.Request.Headers.Range.ToString() is { Length: > 0 } range)
        {
            from = int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture);
            http.Response.StatusCode = StatusCodes.Status206PartialContent;
            http.Response.Headers.ContentRange = $"bytes {from}-{body.Length - 1}/{body.Length}";
        }
        http.Response.ContentLength = body.Length - from;
        return from;
    }
}
