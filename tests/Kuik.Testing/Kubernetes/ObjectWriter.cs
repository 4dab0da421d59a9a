using System.Globalization;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>
/// Writes objects of a <see cref="ScriptedKubernetes"/>: create, update, apply, merge, delete, with the checks of a real server.
/// </summary>
internal sealed class ObjectWriter(ObjectStore store)
{
    /// <summary>
    /// Kinds with a status subresource: an ordinary write does not change the status, and a write of the status nothing else.
    /// </summary>
    private static readonly HashSet<string> WithStatus =
        ["kuik.enix.io/cachedimages", "kuik.enix.io/repositories", "/pods", "apps/replicasets", "apps/deployments", "batch/jobs"];

    private static readonly Dictionary<string, string> Kinds = new()
    {
        ["namespaces"] = "Namespace",
        ["pods"] = "Pod",
        ["serviceaccounts"] = "ServiceAccount",
        ["configmaps"] = "ConfigMap",
        ["services"] = "Service",
        ["secrets"] = "Secret",
        ["events"] = "Event",
        ["leases"] = "Lease",
        ["endpointslices"] = "EndpointSlice",
        ["cachedimages"] = "CachedImage",
        ["repositories"] = "Repository",
        ["replicasets"] = "ReplicaSet",
        ["deployments"] = "Deployment",
        ["jobs"] = "Job",
        ["cronjobs"] = "CronJob",
    };

    private readonly byte[] _uidsOfThisServer = Guid.NewGuid().ToByteArray()[8..];
    private int _uids;

    /// <summary>The kind of a resource: <c>CachedImage</c> of <c>cachedimages</c>.</summary>
    public static string KindOf(string resource) => Kinds.GetValueOrDefault(resource, resource);

    /// <summary>A uid that no other object has, of this server or of another.</summary>
    public Guid NewUid() => new(Interlocked.Increment(ref _uids), 0, 0x4000, _uidsOfThisServer);

    public StoredObject Create(ScriptedRequest request, JsonObject body)
    {
        var metadata = Metadata(body);
        var name = (string?)metadata["name"] ?? (string?)metadata["generateName"] + Guid.NewGuid().ToString("N")[..5];
        var created = request with { Name = name };
        CheckNamespace(created);
        return store.Change(request.Kind, created.Key, before =>
        {
            if (before is not null)
                throw RefusedException.AlreadyExists(request, name);
            var content = body.DeepClone().AsObject();
            return New(created, content, ownership => ownership.Update(null, content, request.FieldManager ?? "unknown", null));
        })!;
    }

    public StoredObject Update(ScriptedRequest request, JsonObject body) => store.Change(request.Kind, request.Key, before =>
    {
        if (before is null)
            throw RefusedException.NotFound(request);
        CheckPreconditions(request, before, body);
        return Changed(request, before, content => Take(content, body, request));
    })!;

    public StoredObject Merge(ScriptedRequest request, JsonObject body) => store.Change(request.Kind, request.Key, before =>
    {
        if (before is null)
            throw RefusedException.NotFound(request);
        CheckPreconditions(request, before, body);
        return Changed(request, before, content =>
        {
            var merged = content.DeepClone().AsObject();
            MergeInto(merged, body);
            Take(content, merged, request);
        });
    })!;

    public StoredObject Apply(ScriptedRequest request, JsonObject body)
    {
        var manager = request.FieldManager ?? throw new RefusedException(400, "BadRequest", "fieldManager is required for apply patch");
        var force = request.Query["force"] == "true";
        CheckNamespace(request);
        return store.Change(request.Kind, request.Key, before =>
        {
            if (before is null && request.Subresource is not null)
                throw RefusedException.NotFound(request);
            CheckPreconditions(request, before, body);
            var applied = Only(request, body);
            if (before is null)
            {
                var content = new JsonObject
                {
                    ["apiVersion"] = (string?)body["apiVersion"],
                    ["kind"] = (string?)body["kind"],
                    ["metadata"] = new JsonObject { ["name"] = request.Name },
                };
                return New(request, content, ownership => ownership.Apply(content, applied, manager, null, force));
            }
            var (old, target) = (before.ToJson(), before.ToJson());
            var ownership = new FieldOwnership(target);
            if (ownership.Apply(target, applied, manager, request.Subresource, force) is { Count: > 0 } owners)
                throw new RefusedException(409, "Conflict",
                    $"Apply failed: conflicts with {string.Join(", ", owners.Select(owner => $"\"{owner}\""))}");
            ownership.WriteTo(target);
            return Finished(request, before, old, target);
        })!;
    }

    public StoredObject Delete(ScriptedRequest request, JsonObject? options)
    {
        return store.Change(request.Kind, request.Key, before =>
        {
            if (before is null)
                throw RefusedException.NotFound(request);
            if ((string?)options?["preconditions"]?["uid"] is { } uid && uid != before.Uid)
                throw RefusedException.Conflict(request,
                    $"Precondition failed: UID in precondition: {uid}, UID in object meta: {before.Uid}");
            var content = before is PodStoredObject ? null : before.ToJson();
            if (content?["metadata"]?["finalizers"] is not JsonArray { Count: > 0 })
                return null;
            if (content["metadata"]!["deletionTimestamp"] is not null)
                return before;
            content["metadata"]!["deletionTimestamp"] = Now();
            return new JsonStoredObject(content);
        })!;
    }

    private JsonStoredObject New(ScriptedRequest request, JsonObject content, Action<FieldOwnership> own)
    {
        if (WithStatus.Contains(request.Kind))
            content.Remove("status");
        content["kind"] ??= KindOf(request.Resource);
        var ownership = new FieldOwnership(null);
        own(ownership);
        var metadata = Metadata(content);
        metadata["name"] = request.Name;
        if (request.Namespace is { } space)
            metadata["namespace"] = space;
        metadata["uid"] = NewUid().ToString();
        metadata["creationTimestamp"] = Now();
        metadata["generation"] = 1;
        ownership.WriteTo(content);
        return new JsonStoredObject(content);
    }

    private static StoredObject? Changed(ScriptedRequest request, StoredObject before, Action<JsonObject> change)
    {
        var (old, target) = (before.ToJson(), before.ToJson());
        change(target);
        var ownership = new FieldOwnership(old);
        ownership.Update(old, target, request.FieldManager ?? "unknown", request.Subresource);
        ownership.WriteTo(target);
        return Finished(request, before, old, target);
    }

    // A write without a change is none; a write that removes the last finalizer of a deleted object deletes it.
    private static StoredObject? Finished(ScriptedRequest request, StoredObject before, JsonObject old, JsonObject target)
    {
        if (old["metadata"]!["managedFields"] is null && before is PodStoredObject)
            old["metadata"]!["managedFields"] = new JsonArray();
        if (JsonNode.DeepEquals(old, target))
            return before;
        var metadata = Metadata(target);
        if (metadata["deletionTimestamp"] is not null && metadata["finalizers"] is not JsonArray { Count: > 0 })
            return null;
        if (request.Subresource is null && !JsonNode.DeepEquals(old["spec"], target["spec"]))
            metadata["generation"] = ((int?)metadata["generation"] ?? 0) + 1;
        return new JsonStoredObject(target);
    }

    /// <summary>
    /// Takes over a client's fields: of a status the status only, of the object everything else; never fields that the server sets.
    /// </summary>
    private static void Take(JsonObject content, JsonObject sent, ScriptedRequest request)
    {
        var isOfStatus = request.Subresource == "status";
        foreach (var key in content.Select(field => field.Key).Union(sent.Select(field => field.Key))
            .Except(["apiVersion", "kind", "metadata"]).ToList())
        {
            if ((key == "status") == isOfStatus || !WithStatus.Contains(request.Kind))
                Replace(content, key, sent);
        }
        if (isOfStatus)
            return;
        foreach (var key in new[] { "labels", "annotations", "finalizers", "ownerReferences" })
            Replace(Metadata(content), key, sent["metadata"] as JsonObject ?? []);
    }

    private static void Replace(JsonObject content, string key, JsonObject sent)
    {
        if (sent[key] is { } value)
            content[key] = value.DeepClone();
        else
            content.Remove(key);
    }

    private static void MergeInto(JsonObject target, JsonObject patch)
    {
        foreach (var (key, value) in patch)
        {
            if (value is null)
                target.Remove(key);
            else if (value is JsonObject inner && target[key] is JsonObject existing)
                MergeInto(existing, inner);
            else
                target[key] = value.DeepClone();
        }
    }

    private static JsonObject Only(ScriptedRequest request, JsonObject body)
    {
        var applied = body.DeepClone().AsObject();
        if (request.Subresource is null)
        {
            if (WithStatus.Contains(request.Kind))
                applied.Remove("status");
            return applied;
        }
        return new JsonObject { [request.Subresource] = applied[request.Subresource]?.DeepClone() };
    }

    private static void CheckPreconditions(ScriptedRequest request, StoredObject? before, JsonObject body)
    {
        if ((string?)body["metadata"]?["uid"] is { Length: > 0 } uid && uid != before?.Uid)
        {
            throw RefusedException.Conflict(request, before is null
                ? $"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                : $"Precondition failed: UID in precondition: {uid}, UID in object meta: {before.Uid}");
        }
        if ((string?)body["metadata"]?["resourceVersion"] is { Length: > 0 } version
            && version != before?.Version.ToString(CultureInfo.InvariantCulture))
            throw RefusedException.Conflict(request,
                "the object has been modified; please apply your changes to the latest version and try again");
    }

    private void CheckNamespace(ScriptedRequest request)
    {
        if (request.Namespace is { } space && store.Find("/namespaces", space) is null)
            throw new RefusedException(404, "NotFound", $"namespaces \"{space}\" not found");
    }

    private static JsonObject Metadata(JsonObject content)
    {
        if (content["metadata"] is not JsonObject metadata)
            content["metadata"] = metadata = [];
        return metadata;
    }

    private static string Now() => DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
