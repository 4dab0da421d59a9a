using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>
/// A server that plays a cache, an image-fetcher or an origin from a script: a fake, because no real one breaks off, lies or falls silent
/// on command. Real on the wire.
/// </summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<(string Line, IHeaderDictionary Headers)> _requests = new();

    private ScriptedServer(WebApplication app) => _app = app;

    public Uri Endpoint => new(_app.Urls.First());

    /// <summary>Host and port as an image's name holds them.</summary>
    public string Host => Endpoint.Authority;

    /// <summary>The requests so far: method and path.</summary>
    public IReadOnlyList<string> Requests => [.. _requests.Select(request => request.Line)];

    /// <summary>The headers of all it was asked.</summary>
    public IReadOnlyList<IHeaderDictionary> Headers => [.. _requests.Select(request => request.Headers)];

    /// <summary>Starts one.</summary>
    /// <param name="answer">The script.</param>
    public static async Task<ScriptedServer> Start(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var upstream = new ScriptedServer(builder.Build());
        upstream._app.Run(http =>
        {
            var headers = new HeaderDictionary();
            foreach (var (name, value) in http.Request.Headers)
                headers[name] = value;
            upstream._requests.Enqueue(($"{http.Request.Method} {http.Request.Path}", headers));
            return answer(http);
        });
        await upstream._app.StartAsync();
        return upstream;
    }

    /// <summary>One that answers every request with this status and nothing else.</summary>
    public static Task<ScriptedServer> Saying(int status) => Start(http =>
    {
        http.Response.StatusCode = status;
        return Task.CompletedTask;
    });

    /// <summary>Sends a blob, or the part a Range header asks for.</summary>
    public static async Task Send(HttpContext http, byte[] bytes, string type = "application/octet-stream") =>
        await Results.Bytes(bytes, type, enableRangeProcessing: true).ExecuteAsync(http);

    /// <summary>Promises all the bytes, sends some, and resets the connection.</summary>
    public static async Task SendSome(HttpContext http, byte[] bytes, int some)
    {
        http.Response.ContentLength = bytes.Length;
        await http.Response.StartAsync();
        await http.Response.Body.WriteAsync(bytes.AsMemory(0, some));
        await http.Response.Body.FlushAsync();
        http.Abort();
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);   // an answer that hangs on purpose is not waited for
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}
