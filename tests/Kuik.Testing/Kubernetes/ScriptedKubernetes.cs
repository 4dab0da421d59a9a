using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Kuik.Testing;

/// <summary>
/// A Kubernetes API server in this process, real on the wire: lists in pages, watches with bookmarks, server-side apply with field
/// managers, updates by resourceVersion, and pods by the hundred thousand. It refuses, stalls and breaks off on a script, and keeps a
/// ledger of every request. A fake because no real API server does that on demand; the same conformance tests run against this one and
/// against a real one. It requires no credentials and validates nothing.
/// </summary>
public sealed class ScriptedKubernetes : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ObjectStore _store = new();
    private readonly ObjectReader _reader;
    private readonly ObjectWriter _writer;
    private readonly ConcurrentQueue<ScriptedRequest> _ledger = new();
    private readonly ConcurrentDictionary<(string Verb, string Resource, bool IsFurtherPage), int> _counts = new();

    private ScriptedKubernetes(WebApplication app)
    {
        _app = app;
        _reader = new ObjectReader(_store);
        _writer = new ObjectWriter(_store);
    }

    /// <summary>A file with the address and a token, as <c>KUBECONFIG</c> names it.</summary>
    public string Kubeconfig { get; private set; } = "";

    /// <summary>Its address, without a path.</summary>
    public Uri Address => new(_app.Urls.First());

    /// <summary>Selects the response to a request; null (the default, and the result for most) for a real server's.</summary>
    public Func<ScriptedRequest, ScriptedAnswer?> Script { get; set; } = _ => null;

    /// <summary>True: every request is kept in <see cref="Ledger"/>. Default true; a benchmark only counts.</summary>
    public bool KeepsLedger { get; set; } = true;

    /// <summary>Every request so far, in order of arrival.</summary>
    public IReadOnlyList<ScriptedRequest> Ledger => [.. _ledger];

    /// <summary>
    /// The interval of bookmarks in a watch without events, if it requested them. Default 1 s (a real server: about a minute).
    /// </summary>
    public TimeSpan BookmarkInterval
    {
        get => _reader.BookmarkInterval;
        set => _reader.BookmarkInterval = value;
    }

    /// <summary>Starts one on a free port of 127.0.0.1, with the namespaces <c>default</c>, <c>kube-system</c> and
    /// <c>kuik-system</c>.</summary>
    public static async Task<ScriptedKubernetes> Start()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());   // no file is watched
        builder.WebHost.UseKestrelCore();
        builder.ListenOnFreePort(null);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
        var app = builder.Build();
        var kubernetes = new ScriptedKubernetes(app);
        app.Run(kubernetes.Answer);
        await app.StartAsync();
        kubernetes.Kubeconfig = await kubernetes.WriteKubeconfig();
        foreach (var name in new[] { "default", "kube-system", "kuik-system" })
            kubernetes.AddNamespace(name);
        return kubernetes;
    }

    /// <summary>The number of requests with a verb and a resource: of a list, first pages only.</summary>
    public int Requests(string verb, string resource) => _counts.GetValueOrDefault((verb, resource, false));

    /// <summary>Creates a namespace with its ServiceAccount <c>default</c>, unless it exists.</summary>
    /// <returns>Its uid. That of <c>kube-system</c> identifies the cluster.</returns>
    public string AddNamespace(string name)
    {
        lock (_writer)
        {
            if (_store.Find("/namespaces", name) is { } existing)
                return existing.Uid;
            var uid = Create("api/v1/namespaces", name);
            Create($"api/v1/namespaces/{name}/serviceaccounts", "default");
            return uid;
        }
    }

    /// <summary>Creates a pod.</summary>
    /// <returns>Its uid.</returns>
    public string AddPod(ScriptedPod pod)
    {
        AddNamespace(pod.Namespace);
        return _store.Change("/pods", ObjectStore.KeyOf(pod.Namespace, pod.Name), before => before is null
            ? new PodStoredObject(pod, _writer.NewUid(), DateTimeOffset.UtcNow)
            : throw new InvalidOperationException($"there is a pod {pod.Namespace}/{pod.Name} already"))!.Uid;
    }

    /// <summary>Creates a pod with one container for each image.</summary>
    /// <returns>Its uid.</returns>
    public string AddPod(string @namespace, string name, params string[] images) => AddPod(new ScriptedPod(@namespace, name, images));

    /// <summary>Changes a pod as its author or its controller would: another label, another image.</summary>
    public void ChangePod(string @namespace, string name, Func<ScriptedPod, ScriptedPod> change) =>
        _store.Change("/pods", ObjectStore.KeyOf(@namespace, name), before => ((PodStoredObject)before!).With(change));

    /// <summary>Removes a pod, as after its kubelet has ended it. No error when it does not exist.</summary>
    public void RemovePod(string @namespace, string name) => _store.Change("/pods", ObjectStore.KeyOf(@namespace, name), _ => null);

    /// <summary>All pods, in no order that a caller may rely on.</summary>
    public IReadOnlyList<(string Uid, ScriptedPod Pod)> Pods =>
        [.. _store.List("/pods").Objects.OfType<PodStoredObject>().Select(pod => (pod.Uid, pod.Pod))];

    /// <summary>One object; null when it is not there.</summary>
    /// <param name="path">As in a request: <c>apis/kuik.enix.io/v1alpha1/cachedimages/NAME</c>.</param>
    public JsonObject? Find(string path)
    {
        var request = RequestTo("GET", path);
        return _store.Find(request.Kind, request.Key)?.ToJson();
    }

    /// <summary>All objects below a path, of one namespace or of all.</summary>
    /// <param name="path">As in a request: <c>apis/kuik.enix.io/v1alpha1/cachedimages</c>.</param>
    public IReadOnlyList<JsonObject> List(string path)
    {
        var request = RequestTo("GET", path);
        return [.. _store.List(request.Kind).Objects.Where(item => request.Namespace is null || item.Namespace == request.Namespace)
            .Select(item => item.ToJson())];
    }

    /// <summary>How many objects of a kind there are.</summary>
    /// <param name="path">As for <see cref="List"/>, of all namespaces.</param>
    public int Count(string path) => _store.Count(RequestTo("GET", path).Kind);

    /// <summary>Every object of a kind, as it is after each change from now on; deletions are left out.</summary>
    /// <param name="path">As for <see cref="List"/>.</param>
    /// <param name="ct">Ends it.</param>
    public async IAsyncEnumerable<JsonObject> Changes(string path,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        using var watch = _store.Watch(RequestTo("GET", path).Kind, _store.Version)!;
        await foreach (var change in watch.Changes.ReadAllAsync(ct))
            if (change.After is { } after)
                yield return after.ToJson();
    }

    /// <summary>Creates an object, or changes the given fields, as a user does with kubectl. No script applies.</summary>
    /// <param name="path">The object's path.</param>
    /// <param name="json">The fields.</param>
    /// <param name="manager">The field manager.</param>
    public void Apply(string path, string json, string manager = "kubectl")
    {
        var request = RequestTo("PATCH", $"{path}?fieldManager={manager}&force=true");
        var body = JsonNode.Parse(json)!.AsObject();
        body["kind"] ??= ObjectWriter.KindOf(request.Resource);
        body["apiVersion"] ??= request.Group.Length == 0 ? "v1" : $"{request.Group}/{path.Split('/')[2]}";
        _writer.Apply(request, body);
    }

    /// <summary>Deletes an object as a user does. No error when it does not exist. No script applies.</summary>
    public void Delete(string path)
    {
        var request = RequestTo("DELETE", path);
        if (_store.Find(request.Kind, request.Key) is not null)
            _writer.Delete(request, null);
    }

    /// <summary>Ends every open watch; the resourceVersion stays valid, so that each can continue.</summary>
    public void EndWatches() => _store.EndWatches();

    /// <summary>Discards every change so far: a watch from before now is answered 410.</summary>
    public void ForgetChanges() => _store.ForgetChanges();

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task Answer(HttpContext http)
    {
        if (ScriptedRequest.Read(http.Request) is not { } request)
        {
            await ObjectReader.SendStatus(http, 404, "NotFound", "the server could not find the requested resource");
            return;
        }
        request.Count = _counts.AddOrUpdate((request.Verb, request.Resource, request.IsFurtherPage), 1, (_, count) => count + 1) - 1;
        if (KeepsLedger)
            _ledger.Enqueue(request);
        if (Script(request) is { } scripted)
            await scripted(http, () => Behave(http, request));
        else
            await Behave(http, request);
    }

    private async Task Behave(HttpContext http, ScriptedRequest request)
    {
        try
        {
            await (request.Verb switch
            {
                "get" => _reader.Get(http, request),
                "list" => _reader.List(http, request),
                "watch" => _reader.Watch(http, request),
                _ => Write(http, request),
            });
        }
        catch (RefusedException refusal)
        {
            await ObjectReader.SendStatus(http, refusal.Status, refusal.Reason, refusal.Message);
        }
    }

    private async Task Write(HttpContext http, ScriptedRequest request)
    {
        var body = http.Request.ContentLength is 0 or null && !http.Request.Headers.ContainsKey("Transfer-Encoding")
            ? null
            : (await JsonNode.ParseAsync(http.Request.Body, cancellationToken: http.RequestAborted))?.AsObject();
        var written = (request.Verb, request.MediaType) switch
        {
            ("create", _) => _writer.Create(request, body!),
            ("update", _) => _writer.Update(request, body!),
            ("patch", "application/apply-patch+yaml") => _writer.Apply(request, body!),
            ("patch", "application/merge-patch+json" or "application/strategic-merge-patch+json") => _writer.Merge(request, body!),
            ("patch", _) => throw new RefusedException(415, "UnsupportedMediaType",
                $"the body of the request was in an unknown format: {request.MediaType}"),
            ("delete", _) when request.Name is not null => _writer.Delete(request, body),
            _ => throw new RefusedException(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
        };
        if (request.Verb == "delete")
            await ObjectReader.SendStatus(http, 200, "", "");
        else
            await ObjectReader.Send(http, request.Verb == "create" ? 201 : 200, json => written.Write(json, written.Version));
    }

    private string Create(string path, string name) =>
        _writer.Create(RequestTo("POST", path), new JsonObject { ["apiVersion"] = "v1", ["metadata"] = new JsonObject { ["name"] = name } })
            .Uid;

    private static ScriptedRequest RequestTo(string method, string path)
    {
        var http = new DefaultHttpContext().Request;
        var parts = path.Split('?');
        (http.Method, http.Path) = (method, "/" + parts[0]);
        if (parts.Length > 1)
            http.QueryString = new QueryString("?" + parts[1]);
        return ScriptedRequest.Read(http) ?? throw new ArgumentException($"{path} is the path of no resource", nameof(path));
    }

    private async Task<string> WriteKubeconfig()
    {
        var file = Path.Combine(Sandbox.Shared.NewFolder("scripted-kubernetes"), "kubeconfig");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: v1
            kind: Config
            current-context: scripted
            clusters: [{name: scripted, cluster: {server: "{{Address.ToString().TrimEnd('/')}}"} }]
            users: [{name: any, user: {token: "any"} }]
            contexts: [{name: scripted, context: {cluster: scripted, user: any} }]
            """);
        return file;
    }
}
