using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Kuik.Kubernetes;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// A proxy in front of a real kube-apiserver that refuses, breaks off and lies on a script, as <see cref="ScriptedKubernetes"/> does: the
/// real one answers with an old list, or with half of one, in rare moments only. Requests with the header <see cref="Bypass"/>, which are
/// the test's own, pass unchanged.
/// </summary>
internal sealed class KubernetesFront : IAsyncDisposable
{
    /// <summary>The header of requests that no script applies to.</summary>
    public const string Bypass = "Kuik-Test";

    private readonly WebApplication _app;
    private readonly k8s.Kubernetes _api;
    private readonly ConcurrentDictionary<string, byte[]> _lists = new();
    private CancellationTokenSource _watches = new();

    private KubernetesFront(WebApplication app, k8s.Kubernetes api) => (_app, _api) = (app, api);

    /// <summary>A file with the address and a token, as <c>KUBECONFIG</c> names it.</summary>
    public string Kubeconfig { get; private set; } = "";

    /// <summary>Its address, without a path.</summary>
    public Uri Address => new(_app.Urls.First());

    /// <summary>Selects the response to a request; null (the default, and the result for most) for the real server's.</summary>
    public Func<ScriptedRequest, ScriptedAnswer?> Script { get; set; } = _ => null;

    /// <summary>The last answer to each list, by path and query.</summary>
    public IReadOnlyDictionary<string, byte[]> Lists => new Dictionary<string, byte[]>(_lists);

    /// <summary>Starts one on a free port of 127.0.0.1.</summary>
    public static async Task<KubernetesFront> Start(Testing.KubernetesApi api)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.ListenOnFreePort(null);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
        var app = builder.Build();
        var front = new KubernetesFront(app, KubernetesAccess.Connect(api.Kubeconfig));
        app.Run(front.Answer);
        await app.StartAsync();
        front.Kubeconfig = Path.Combine(Sandbox.Shared.NewFolder("kubernetes-front"), "kubeconfig");
        await File.WriteAllTextAsync(front.Kubeconfig, $$"""
            apiVersion: v1
            kind: Config
            current-context: front
            clusters: [{name: front, cluster: {server: "{{front.Address.ToString().TrimEnd('/')}}"} }]
            users: [{name: any, user: {token: "any"} }]
            contexts: [{name: front, context: {cluster: front, user: any} }]
            """);
        return front;
    }

    /// <summary>Breaks off every watch.</summary>
    public void EndWatches() => Interlocked.Exchange(ref _watches, new CancellationTokenSource()).Cancel();

    /// <summary>The correct answer with its items changed.</summary>
    public static ScriptedAnswer Changed(Action<JsonArray> change) => async (http, answer) =>
    {
        var client = http.Response.Body;
        using var body = new MemoryStream();
        http.Response.Body = body;
        await answer();
        http.Response.Body = client;
        var list = JsonNode.Parse(body.ToArray());
        if (list?["items"] is JsonArray items)
            change(items);
        await http.Response.WriteAsync(list?.ToJsonString() ?? "");
    };

    /// <summary>An answer of a moment ago.</summary>
    public static ScriptedAnswer Past(byte[] list) => async (http, _) =>
    {
        http.Response.ContentType = "application/json";
        await http.Response.Body.WriteAsync(list);
    };

    public async ValueTask DisposeAsync()
    {
        EndWatches();
        await _app.DisposeAsync();
        _api.Dispose();
        _watches.Dispose();
    }

    private async Task Answer(HttpContext http)
    {
        var request = ScriptedRequest.Read(http.Request);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(
            http.RequestAborted, request?.Verb == "watch" ? _watches.Token : default);
        try
        {
            if (request is not null && !http.Request.Headers.ContainsKey(Bypass) && Script(request) is { } answer)
                await answer(http, () => Forward(http, request, end.Token));
            else
                await Forward(http, request, end.Token);
        }
        catch (Exception fault) when (fault is OperationCanceledException or HttpRequestException or IOException)
        {
            http.Abort();   // one of the two has disconnected, or the watch was ended; the other one sees it
        }
    }

    private async Task Forward(HttpContext http, ScriptedRequest? request, CancellationToken ct)
    {
        using var message = new HttpRequestMessage(
            new HttpMethod(http.Request.Method), new Uri(_api.BaseUri, http.Request.Path + http.Request.QueryString.Value));
        if (http.Request.ContentType is { } type)
        {
            message.Content = new StreamContent(http.Request.Body);
            message.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        }
        if (http.Request.Headers.Accept.Count > 0)
            message.Headers.TryAddWithoutValidation("Accept", http.Request.Headers.Accept.AsEnumerable());
        using var response = await _api.HttpClient.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, ct);
        http.Response.StatusCode = (int)response.StatusCode;
        http.Response.ContentType = response.Content.Headers.ContentType?.ToString();
        if (request?.Verb == "list" && response.IsSuccessStatusCode)
        {
            var list = await response.Content.ReadAsByteArrayAsync(ct);
            _lists[request.Path] = list;
            await http.Response.Body.WriteAsync(list, ct);
            return;
        }
        await http.Response.Body.FlushAsync(ct);   // a watch may have nothing to say for a minute
        await using var body = await response.Content.ReadAsStreamAsync(ct);
        var buffer = new byte[16 << 10];
        while (await body.ReadAsync(buffer, ct) is > 0 and var read)
        {
            await http.Response.Body.WriteAsync(buffer.AsMemory(0, read), ct);
            await http.Response.Body.FlushAsync(ct);
        }
    }
}
