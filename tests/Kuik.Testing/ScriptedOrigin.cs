using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Kuik.Testing;

/// <summary>One request that a <see cref="ScriptedOrigin"/> got.</summary>
/// <param name="Method">GET, HEAD, …</param>
/// <param name="Path">With its query.</param>
/// <param name="Range">The header; null for none.</param>
/// <param name="Authorization">The header; null for none.</param>
/// <param name="Count">How many requests with this method and path there were before.</param>
public sealed record OriginRequest(string Method, string Path, string? Range, string? Authorization, int Count)
{
    private long sent;

    /// <summary>The path's last part, a tag or a digest.</summary>
    public string Target => Path[(Path.LastIndexOf('/') + 1)..];

    public bool IsBlobDownload => Method == "GET" && Path.Contains("/blobs/", StringComparison.Ordinal);

    /// <summary>The client's TCP port, by which its process can be found.</summary>
    public int ClientPort { get; init; }

    /// <summary>When it arrived. UTC.</summary>
    public DateTimeOffset At { get; } = DateTimeOffset.UtcNow;

    /// <summary>When its response ended, complete or not; null before that. UTC.</summary>
    public DateTimeOffset? EndedAt { get; internal set; }

    /// <summary>
    /// Body bytes that the connection has taken so far. The receiver of a broken connection may have fewer, by the buffers in between.
    /// </summary>
    public long Sent => Interlocked.Read(ref sent);

    /// <summary>The first requested byte: of the range, otherwise 0.</summary>
    public long From => Range is null ? 0
        : long.Parse(Range["bytes=".Length..Range.IndexOf('-', StringComparison.Ordinal)], CultureInfo.InvariantCulture);

    internal void CountSent(int bytes) => Interlocked.Add(ref sent, bytes);
}

/// <summary>A misbehaving response to a request.</summary>
/// <param name="http">The request and its response.</param>
/// <param name="body">The correct body, in full; empty when the origin does not have it.</param>
public delegate Task Misbehaviour(HttpContext http, byte[] body);

/// <summary>
/// A registry in this process, real on the wire, that misbehaves on a script and keeps a ledger of every request. A fake because no real
/// registry can be made to truncate, lie or stall at a given byte.
/// </summary>
public sealed class ScriptedOrigin : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, (string MediaType, byte[] Bytes)> content = new();
    private readonly ConcurrentQueue<OriginRequest> ledger = new();

    private ScriptedOrigin(WebApplication app) => this.app = app;

    /// <summary>Host and port as an image's name holds them: <c>127.0.0.1:PORT</c>.</summary>
    public string Host => new Uri(app.Urls.First()).Authority;

    /// <summary>Selects the response to a request; null (the default, and the result for most) for a registry's.</summary>
    public Func<OriginRequest, Misbehaviour?> Script { get; set; } = _ => null;

    /// <summary>Headers of every response, misbehaving ones included: a registry's rate limit, for example.</summary>
    public ConcurrentDictionary<string, string> Headers { get; } = new();

    /// <summary>Every request so far, in order.</summary>
    public IReadOnlyList<OriginRequest> Ledger => [.. ledger];

    /// <summary>Starts one on a free port of 127.0.0.1.</summary>
    /// <param name="tls">The certificate for TLS; null for plain HTTP.</param>
    public static async Task<ScriptedOrigin> Start(PemPair? tls = null)
    {
        // no file is watched: a test may start a hundred of these, and watches are few
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.ListenOnFreePort(tls);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
        var app = builder.Build();
        var origin = new ScriptedOrigin(app);
        app.Run(origin.Answer);
        await app.StartAsync();
        return origin;
    }

    /// <summary>Adds an image.</summary>
    /// <returns>Its name.</returns>
    public string Add(string repository, string tag, TestImage image)
    {
        foreach (var blob in image.Blobs)
            content[$"/v2/{repository}/blobs/{blob.Digest}"] = ("application/octet-stream", blob.Bytes);
        AddManifest(repository, image.Digest, image.MediaType, image.Bytes);
        return AddManifest(repository, tag, image.MediaType, image.Bytes);
    }

    /// <inheritdoc cref="Add(string, string, TestImage)"/>
    public string Add(string repository, string tag, TestIndex index)
    {
        foreach (var child in index.Children)
            Add(repository, child.Digest, child);
        AddManifest(repository, index.Digest, index.MediaType, index.Bytes);
        return AddManifest(repository, tag, index.MediaType, index.Bytes);
    }

    /// <summary>Adds any bytes as a manifest.</summary>
    /// <returns>Its name.</returns>
    public string AddManifest(string repository, string target, string mediaType, byte[] bytes)
    {
        content[$"/v2/{repository}/manifests/{target}"] = (mediaType, bytes);
        return $"{Host}/{repository}{(target.Contains(':') ? '@' : ':')}{target}";
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task Answer(HttpContext http)
    {
        var (method, path) = (http.Request.Method, http.Request.Path.Value + http.Request.QueryString);
        var request = new OriginRequest(method, path, http.Request.Headers.Range, http.Request.Headers.Authorization,
            ledger.Count(r => r.Method == method && r.Path == path))
        {
            ClientPort = http.Connection.RemotePort,
        };
        ledger.Enqueue(request);
        http.Response.Body = new CountedStream(http.Response.Body, request.CountSent);
        foreach (var (name, value) in Headers)
            http.Response.Headers[name] = value;
        var (type, bytes) = content.GetValueOrDefault(http.Request.Path.Value!, ("", []));
        try
        {
            await (Script(request) ?? (type.Length == 0 ? Misbehave.Answer(404) : (h, b) => Behave(h, type, b)))(http, bytes);
        }
        finally
        {
            request.EndedAt = DateTimeOffset.UtcNow;
        }
    }

    private static async Task Behave(HttpContext http, string type, byte[] bytes)
    {
        http.Response.ContentType = type;
        var from = SendInPieces.WriteHead(http, bytes);
        if (HttpMethods.IsGet(http.Request.Method))
            await http.Response.Body.WriteAsync(bytes.AsMemory(from));
    }
}

/// <summary>Ways to misbehave.</summary>
public static class Misbehave
{
    /// <summary>Another status than 200.</summary>
    /// <param name="status">HTTP's.</param>
    /// <param name="headers">Further ones.</param>
    public static Misbehaviour Answer(int status, params (string Name, string Value)[] headers) => (http, _) =>
    {
        http.Response.StatusCode = status;
        foreach (var (name, value) in headers)
            http.Response.Headers[name] = value;
        return Task.CompletedTask;
    };

    /// <summary>A status with a body of its own.</summary>
    /// <param name="status">HTTP's.</param>
    /// <param name="body">Text.</param>
    /// <param name="mediaType">The body's media type.</param>
    public static Misbehaviour Say(int status, string body, string mediaType = "application/json") => async (http, _) =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = mediaType;
        await http.Response.WriteAsync(body);
    };

    /// <summary>Sends part of the body under the full Content-Length, and drops the connection.</summary>
    public static Misbehaviour Truncate(int after) => async (http, body) =>
    {
        http.Response.ContentLength = body.Length;
        await http.Response.Body.WriteAsync(body.AsMemory(0, after));
        await http.Response.Body.FlushAsync();
        http.Abort();
    };

    /// <summary>Sends the right number of bytes, one of them wrong.</summary>
    public static Misbehaviour Corrupt(int at) => async (http, body) =>
    {
        var wrong = body.ToArray();
        wrong[at] ^= 1;
        http.Response.ContentLength = wrong.Length;
        await http.Response.Body.WriteAsync(wrong);
    };

    /// <summary>Sends part of the body, with a Content-Length to match.</summary>
    public static Misbehaviour Shorten(int to) => async (http, body) =>
    {
        http.Response.ContentLength = to;
        await http.Response.Body.WriteAsync(body.AsMemory(0, to));
    };

    /// <summary>Sends part of the body, and the rest when a gate opens.</summary>
    public static Misbehaviour HoldAt(int at, Task gate) => async (http, body) =>
    {
        http.Response.ContentLength = body.Length;
        await http.Response.Body.WriteAsync(body.AsMemory(0, at));
        await http.Response.Body.FlushAsync();
        await gate.WaitAsync(http.RequestAborted);
        await http.Response.Body.WriteAsync(body.AsMemory(at));
    };

    /// <summary>Sends nothing until a gate opens, then the correct response.</summary>
    public static Misbehaviour Delay(Task gate, string mediaType) => async (http, body) =>
    {
        await gate.WaitAsync(http.RequestAborted);
        http.Response.ContentType = mediaType;
        await http.Response.Body.WriteAsync(body);
    };
}
