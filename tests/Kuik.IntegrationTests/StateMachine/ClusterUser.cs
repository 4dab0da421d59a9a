using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>Everything in a cluster that is not Kuik: it makes pods, workload templates and CachedImages.</summary>
internal sealed class ClusterUser : IDisposable
{
    private const string Pods = "api/v1/namespaces/apps/pods";
    private const string Images = $"apis/{Names.Group}/{Names.Version}/cachedimages";

    private readonly HttpClient _http;

    public ClusterUser(KubernetesFront front)
    {
        _http = new HttpClient { BaseAddress = front.Address };
        _http.DefaultRequestHeaders.Add(KubernetesFront.Bypass, "yes");
    }

    public void Dispose() => _http.Dispose();

    /// <summary>Creates a pod.</summary>
    /// <returns>Its uid; null when it was admitted unchanged.</returns>
    /// <exception cref="InvalidOperationException">It was refused, or changed otherwise than the webhook does.</exception>
    public async Task<string?> CreatePod(string name, IReadOnlyList<string> images)
    {
        var pod = await Create(Pods, Pod(name, images));
        return IsRewritten(pod, images) ? (string)pod["metadata"]!["uid"]! : null;
    }

    /// <summary>True when a new pod would be rewritten now.</summary>
    public async Task<bool> AreRewritten() => IsRewritten(await Create($"{Pods}?dryRun=All", Pod("probe", ["nginx:1"])), ["nginx:1"]);

    /// <summary>Removes a pod, as after its kubelet has ended it.</summary>
    public Task DeletePod(string name) => Delete($"{Pods}/{name}?gracePeriodSeconds=0");

    /// <summary>Creates a workload without pods, whose template names an image.</summary>
    /// <returns>Its uid.</returns>
    public async Task<string> CreateWorkload(string kind, string name, string image)
    {
        var labels = new JsonObject { ["app"] = name };
        var spec = new JsonObject
        {
            ["selector"] = new JsonObject { ["matchLabels"] = labels.DeepClone() },
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["labels"] = labels },
                ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "c0", ["image"] = image }) },
            },
        };
        if (kind == "StatefulSet")
            spec["serviceName"] = name;
        var workload = await Create(PathOf(kind), new JsonObject
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = kind,
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = spec,
        });
        return (string)workload["metadata"]!["uid"]!;
    }

    /// <summary>Removes a workload.</summary>
    public Task DeleteWorkload(string kind, string name) => Delete($"{PathOf(kind)}/{name}?propagationPolicy=Background");

    /// <summary>Applies a CachedImage with kubectl's field manager: creates it, or changes it.</summary>
    /// <param name="image">The reference.</param>
    /// <param name="retain">Null to leave <c>spec.retain</c> out.</param>
    public async Task ApplyImage(string image, bool? retain)
    {
        var spec = new JsonObject { ["sourceImage"] = image };
        if (retain is { } value)
            spec["retain"] = value;
        var body = new JsonObject
        {
            ["apiVersion"] = $"{Names.Group}/{Names.Version}",
            ["kind"] = "CachedImage",
            ["metadata"] = new JsonObject { ["name"] = NameOf(image) },
            ["spec"] = spec,
        };
        var path = $"{Images}/{NameOf(image)}?fieldManager=kubectl&force=true";
        using var answer = await Send(HttpMethod.Patch, path, body, "application/apply-patch+yaml");
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>Sets the annotation that asks for a comparison with the origin.</summary>
    /// <returns>False when there is no CachedImage.</returns>
    public async Task<bool> Refresh(string image)
    {
        var annotations = new JsonObject { [Names.ForceUpdateAnnotation] = "true" };
        var body = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = annotations } };
        using var answer = await Send(
            HttpMethod.Patch, $"{Images}/{NameOf(image)}?fieldManager=kubectl-annotate", body, "application/merge-patch+json");
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return false;
        answer.EnsureSuccessStatusCode();
        return true;
    }

    /// <summary>Deletes a CachedImage, if there is one.</summary>
    public Task DeleteImage(string image) => Delete($"{Images}/{NameOf(image)}");

    /// <summary>An image's CachedImage; null for none.</summary>
    public async Task<JsonObject?> FindImage(string image)
    {
        using var answer = await _http.GetAsync(new Uri($"{Images}/{NameOf(image)}", UriKind.Relative));
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        answer.EnsureSuccessStatusCode();
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject();
    }

    /// <summary>All objects of a path.</summary>
    public async Task<IReadOnlyList<JsonObject>> List(string path)
    {
        var list = JsonNode.Parse(await _http.GetStringAsync(new Uri(path, UriKind.Relative)))!;
        return [.. list["items"]!.AsArray().Select(item => item!.AsObject())];
    }

    /// <summary>All CachedImages.</summary>
    public Task<IReadOnlyList<JsonObject>> ListImages() => List(Images);

    /// <summary>All Repositories.</summary>
    public Task<IReadOnlyList<JsonObject>> ListRepositories() => List($"apis/{Names.Group}/{Names.Version}/repositories");

    /// <summary>Removes everything that a schedule leaves.</summary>
    public async Task Clear()
    {
        string[] paths =
        [
            Pods, PathOf("Deployment"), PathOf("StatefulSet"), PathOf("DaemonSet"), Images,
            $"apis/{Names.Group}/{Names.Version}/repositories", "api/v1/namespaces/default/events",
            "apis/coordination.k8s.io/v1/namespaces/kuik-system/leases",
        ];
        foreach (var path in paths)
            foreach (var one in await List(path))
                await Delete($"{path}/{(string)one["metadata"]!["name"]!}?gracePeriodSeconds=0");
    }

    private static string NameOf(string image) => ObjectName.Of(ImageReference.Parse(image));

    private static string PathOf(string kind) => $"apis/apps/v1/namespaces/apps/{kind.ToLowerInvariant()}s";

    private static JsonObject Pod(string name, IReadOnlyList<string> images)
    {
        var containers = images.Select((image, i) => (JsonNode)new JsonObject { ["name"] = $"c{i}", ["image"] = image });
        return new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["containers"] = new JsonArray([.. containers]) },
        };
    }

    private static bool IsRewritten(JsonObject pod, IReadOnlyList<string> images)
    {
        string[] now = [.. pod["spec"]!["containers"]!.AsArray().Select(container => (string)container!["image"]!)];
        var metadata = pod["metadata"]!;
        if (now.SequenceEqual(images) && metadata["annotations"]?.ToJsonString().Contains("original-", StringComparison.Ordinal) != true)
            return false;   // the pod may be marked all the same
        var isRight = now.SequenceEqual(images.Select(LocalNameOf)) && (string?)metadata["labels"]?[Names.ManagedLabel] == "true"
            && images.Select((image, i) => (string?)metadata["annotations"]?[Names.OriginalImageAnnotation($"c{i}")] == image)
                .All(isSame => isSame);
        return isRight ? true : throw new InvalidOperationException($"{string.Join(" and ", images)} became {pod.ToJsonString()}");
    }

    private static string LocalNameOf(string image)
    {
        var slash = image.IndexOf('/', StringComparison.Ordinal);
        return $"localhost:7439/{(slash < 0 ? image : $"{image[..slash].Replace(':', '_')}{image[slash..]}")}";
    }

    private async Task<JsonObject> Create(string path, JsonObject body)
    {
        using var answer = await Send(HttpMethod.Post, path, body, "application/json");
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode
            ? JsonNode.Parse(text)!.AsObject()
            : throw new InvalidOperationException($"POST of {path}: {text}");
    }

    private async Task Delete(string path)
    {
        using var answer = await _http.DeleteAsync(new Uri(path, UriKind.Relative));
        if (answer.StatusCode != HttpStatusCode.NotFound)
            answer.EnsureSuccessStatusCode();
    }

    private async Task<HttpResponseMessage> Send(HttpMethod method, string path, JsonObject body, string mediaType)
    {
        using var message = new HttpRequestMessage(method, new Uri(path, UriKind.Relative))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString())),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        return await _http.SendAsync(message);
    }
}
