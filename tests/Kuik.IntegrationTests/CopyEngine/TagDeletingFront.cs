using System.Collections.Concurrent;
using System.Net;
using System.Text.RegularExpressions;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>
/// A real registry that also deletes by tag, as distribution 3 does. The one thing faked is that deletion (the tag's folder goes from its
/// store), because Debian has no package of distribution 3.
/// </summary>
internal sealed partial class TagDeletingFront : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Registry registry;
    private readonly ConcurrentQueue<string> deleted = new();
    private readonly HttpMessageInvoker connections = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });

    private TagDeletingFront(WebApplication app, Registry registry) => (this.app, this.registry) = (app, registry);

    public string Endpoint => app.Urls.First();

    /// <summary>The deleted tags.</summary>
    public IReadOnlyList<string> Deleted => [.. deleted];

    public static async Task<TagDeletingFront> Start(Registry registry)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var front = new TagDeletingFront(app, registry);
        app.Run(front.Answer);
        await app.StartAsync();
        return front;
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        connections.Dispose();
    }

    private async Task Answer(HttpContext http)
    {
        if (HttpMethods.IsDelete(http.Request.Method) && TagPath().Match(http.Request.Path.Value!) is { Success: true } tag)
        {
            var folder = Path.Combine(registry.DataFolder, "docker/registry/v2/repositories", tag.Groups[1].Value, "_manifests/tags",
                tag.Groups[2].Value);
            http.Response.StatusCode = Directory.Exists(folder) ? StatusCodes.Status202Accepted : StatusCodes.Status404NotFound;
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            deleted.Enqueue(tag.Groups[2].Value);
            return;
        }
        using var request = new HttpRequestMessage(new HttpMethod(http.Request.Method),
            new Uri(registry.Endpoint, http.Request.Path.Value + http.Request.QueryString));
        if (http.Request.ContentLength is not null || http.Request.Headers.TransferEncoding.Count > 0)
            request.Content = new StreamContent(http.Request.Body);
        foreach (var (name, value) in http.Request.Headers.Where(header => header.Key is not "Transfer-Encoding"))
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)value))
                request.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)value);
        using var answer = await connections.SendAsync(request, http.RequestAborted);
        http.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, value) in answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated))
            http.Response.Headers[name] = value.ToString();
        if (answer.StatusCode is not HttpStatusCode.NoContent && !HttpMethods.IsHead(http.Request.Method))
            await answer.Content.CopyToAsync(http.Response.Body, http.RequestAborted);
    }

    [GeneratedRegex("^/v2/(.+)/manifests/([^:/]+)$")]
    private static partial Regex TagPath();
}
