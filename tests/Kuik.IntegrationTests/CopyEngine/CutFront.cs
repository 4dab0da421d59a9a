using System.Net;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Forwarder;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>
/// Passes on so many requests to a server and then none: what a registry sees of an engine that is killed between two of its steps,
/// whichever a test wants. Or passes them on later: what is seen of a server that is busy.
/// </summary>
internal sealed class CutFront : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly HttpMessageInvoker connections =
        new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, AutomaticDecompression = DecompressionMethods.None });
    private int left = int.MaxValue;
    private (Func<HttpRequest, bool> IsHeld, Task Then) gate = (_ => false, Task.CompletedTask);

    private CutFront(WebApplication app) => this.app = app;

    public string Endpoint => app.Urls.First();

    /// <summary>Was a request not passed on, since the last <see cref="Mend"/>?</summary>
    public bool HasCut => Volatile.Read(ref left) < 0;

    /// <param name="server">The server behind it.</param>
    /// <param name="tls">The certificate for TLS; null for plain HTTP.</param>
    public static async Task<CutFront> Start(string server, PemPair? tls = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.ListenOnFreePort(tls);
        builder.Services.AddHttpForwarder();
        var app = builder.Build();
        var front = new CutFront(app);
        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        app.Run(async http =>
        {
            var (isHeld, then) = front.gate;
            if (isHeld(http.Request))
                await then;
            if (Interlocked.Decrement(ref front.left) < 0)
                http.Abort();
            else
                await forwarder.SendAsync(http, server, front.connections);
        });
        await app.StartAsync();
        return front;
    }

    /// <summary>Cuts off after so many more requests.</summary>
    public void CutAfter(int requests) => Volatile.Write(ref left, requests);

    /// <summary>Passes nothing on before then.</summary>
    public void HoldUntil(Task then) => HoldUntil(then, _ => true);

    /// <summary>Passes some requests on then only.</summary>
    /// <param name="then">When.</param>
    /// <param name="isHeld">Selects requests.</param>
    public void HoldUntil(Task then, Func<HttpRequest, bool> isHeld) => gate = (isHeld, then);

    /// <summary>Passes everything on again.</summary>
    public void Mend() => Volatile.Write(ref left, int.MaxValue);

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        connections.Dispose();
    }
}
