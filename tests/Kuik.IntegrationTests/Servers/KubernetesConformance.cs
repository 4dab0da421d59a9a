using System.Net;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using k8s.LeaderElection.ResourceLock;
using k8s.Models;
using Kuik.Kubernetes;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

/// <summary>
/// The properties of a Kubernetes API that Kuik relies on, by its own client: the same for a real kube-apiserver and for the scripted one,
/// so that a test with the scripted one is valid for the real one.
/// </summary>
public abstract class KubernetesConformance : IDisposable
{
    private static int NamesUsed;

    private readonly string _prefix =
        $"conformance-{Interlocked.Increment(ref NamesUsed)}-{Path.GetRandomFileName()[..5].ToLowerInvariant()}";

    private k8s.Kubernetes? _client;

    /// <summary>An administrator's; the namespace <c>kuik-system</c> is there.</summary>
    protected abstract string Kubeconfig { get; }

    private k8s.Kubernetes Client => _client ??= KubernetesAccess.Connect(Kubeconfig);

    private Kubernetes.KubernetesApi Api => new(Client);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Apply_creates_changes_and_takes_back_and_leaves_the_fields_of_other_managers()
    {
        var created = await Apply("a", new CachedImageSpec { SourceImage = "nginx", ExpiresAt = DateTimeOffset.UnixEpoch }, "one");
        await Apply("a", new CachedImageSpec { Retain = true }, "two");
        var changed = await Apply("a", new CachedImageSpec { SourceImage = "nginx:1" }, "one");

        Assert.NotNull(created.Metadata.Uid);
        Assert.Equal(created.Metadata.Uid, changed.Metadata.Uid);
        Assert.NotEqual(created.Metadata.ResourceVersion, changed.Metadata.ResourceVersion);
        Assert.Equal(new CachedImageSpec { SourceImage = "nginx:1", Retain = true }, changed.Spec);
    }

    [Fact]
    public async Task Applying_the_same_again_changes_nothing()
    {
        var first = await Apply("a", new CachedImageSpec { SourceImage = "nginx" }, "one");
        var second = await Apply("a", new CachedImageSpec { SourceImage = "nginx" }, "one");

        Assert.Equal(first.Metadata.ResourceVersion, second.Metadata.ResourceVersion);
    }

    [Fact]
    public async Task The_managers_of_an_object_are_named_with_their_fields()
    {
        await Apply("a", new CachedImageSpec { SourceImage = "nginx" }, "one");
        await Api.Merge($"{PathOf("a")}?fieldManager=two", Named("a") with { Spec = new CachedImageSpec { Retain = true } },
            KubernetesJson.Default.CachedImage, Stop);

        var found = await Api.Get(PathOf("a"), ConformanceJson.Default.JsonObject, Stop);
        var managers = found["metadata"]!["managedFields"]!.AsArray().ToDictionary(entry => (string)entry!["manager"]!, entry => entry!);

        Assert.Equal(["one", "two"], managers.Keys.Order());
        Assert.Equal(("Apply", "Update"), ((string)managers["one"]["operation"]!, (string)managers["two"]["operation"]!));
        Assert.True(managers["one"]["fieldsV1"]!["f:spec"]!.AsObject().ContainsKey("f:sourceImage"));
        Assert.False(managers["one"]["fieldsV1"]!["f:spec"]!.AsObject().ContainsKey("f:retain"));
        Assert.True(managers["two"]["fieldsV1"]!["f:spec"]!.AsObject().ContainsKey("f:retain"));
    }

    [Fact]
    public async Task Spec_and_status_are_written_apart()
    {
        var status = new CachedImageStatus { Phase = CachedImagePhase.Ready };
        var withBoth = Named("a") with { Spec = new CachedImageSpec { SourceImage = "nginx" }, Status = status };
        var created = await Api.Apply(PathOf("a"), withBoth, "one", KubernetesJson.Default.CachedImage, Stop);
        var written = await Api.Apply(PathOf("a") + "/status", Named("a") with { Status = status }, "one-status",
            KubernetesJson.Default.CachedImage, Stop);
        var refusal = await Refused(() =>
            Api.Apply(PathOf("other") + "/status", Named("other") with { Status = status }, "one-status",
            KubernetesJson.Default.CachedImage, Stop));

        Assert.Null(created.Status);
        Assert.Equal("nginx", written.Spec?.SourceImage);
        Assert.Equal(CachedImagePhase.Ready, written.Status?.Phase);
        Assert.Equal(HttpStatusCode.NotFound, refusal);
    }

    [Fact]
    public async Task An_apply_with_the_uid_of_an_object_that_is_gone_does_not_bring_it_back()
    {
        var created = await Apply("a", new CachedImageSpec { SourceImage = "nginx" }, "one");
        await Api.Delete(PathOf("a"), created.Metadata.Uid!, Stop);

        var refusal = await Refused(() => Api.Apply(
            PathOf("a"), created with { Metadata = Named("a").Metadata with { Uid = created.Metadata.Uid } }, "one",
            KubernetesJson.Default.CachedImage, Stop));

        Assert.Equal(HttpStatusCode.Conflict, refusal);
        Assert.Equal(HttpStatusCode.NotFound, await Refused(() => Api.Get(PathOf("a"), KubernetesJson.Default.CachedImage, Stop)));
    }

    [Fact]
    public async Task A_delete_with_another_uid_deletes_nothing()
    {
        var created = await Apply("a", new CachedImageSpec { SourceImage = "nginx" }, "one");

        await Api.Delete(PathOf("a"), Guid.NewGuid().ToString(), Stop);

        Assert.Equal(created.Metadata.Uid, (await Api.Get(PathOf("a"), KubernetesJson.Default.CachedImage, Stop)).Metadata.Uid);
    }

    [Fact]
    public async Task An_object_can_be_created_once()
    {
        var named = Named("a") with { Spec = new CachedImageSpec { SourceImage = "nginx" } };
        await Api.Create(CachedImage.Path, named, KubernetesJson.Default.CachedImage, Stop);

        Assert.Equal(HttpStatusCode.Conflict,
            await Refused(() => Api.Create(CachedImage.Path, named, KubernetesJson.Default.CachedImage, Stop)));
    }

    [Fact]
    public async Task The_pages_of_a_list_are_of_one_moment()
    {
        foreach (var name in new[] { "a", "b", "c" })
            await Apply(name, new CachedImageSpec { SourceImage = "nginx" }, "one");
        var selection = $"limit=2&labelSelector=set%3D{_prefix}";
        var first = await Api.Get($"{CachedImage.Path}?{selection}", KubernetesJson.Default.ResourceListCachedImage, Stop);
        await Apply("d", new CachedImageSpec { SourceImage = "nginx" }, "one");
        var second = await Api.Get($"{CachedImage.Path}?{selection}&continue={Uri.EscapeDataString(first.Metadata.Continue!)}",
            KubernetesJson.Default.ResourceListCachedImage, Stop);

        Assert.Equal([$"{_prefix}-a", $"{_prefix}-b", $"{_prefix}-c"], first.Items!.Concat(second.Items!)
            .Select(item => item.Metadata.Name!).Order());
        Assert.Equal(first.Metadata.ResourceVersion, second.Metadata.ResourceVersion);
        Assert.True(string.IsNullOrEmpty(second.Metadata.Continue));
    }

    [Fact]
    public async Task A_watch_shows_what_comes_into_the_selection_what_changes_and_what_leaves_it()
    {
        await Apply("a", new CachedImageSpec { SourceImage = "nginx" }, "one");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var watchedResource = new WatchedResource<CachedImage, CachedImage>(
            "cachedimages", CachedImage.Path, $"set={_prefix}", KubernetesJson.Default.ResourceListCachedImage,
                KubernetesJson.Default.WatchLineCachedImage,
            image => image.Metadata.Name!, image => image);
        var reflector = new Reflector<CachedImage, CachedImage>(watchedResource, Api, TimeProvider.System, NullLogger.Instance);
        _ = reflector.Run(stop.Token);   // ends with the test
        await Eventually.True(() => Shown(reflector) == "a:nginx", "the list is taken");

        await Apply("b", new CachedImageSpec { SourceImage = "nginx" }, "one");
        await Eventually.True(() => Shown(reflector) == "a:nginx b:nginx", "what is new is seen");
        await Apply("a", new CachedImageSpec { SourceImage = "nginx:2" }, "one");
        await Eventually.True(() => Shown(reflector) == "a:nginx:2 b:nginx", "a change is seen");
        _ = await reflector.TakeChanges(Stop);
        var unlabelled = Named("b") with
        {
            Metadata = new ObjectMeta { Name = $"{_prefix}-b" },
            Spec = new CachedImageSpec { SourceImage = "nginx" },
        };
        await Api.Apply(PathOf("b"), unlabelled, "one", KubernetesJson.Default.CachedImage, Stop);
        await Eventually.True(() => Shown(reflector) == "a:nginx:2", "what has lost its label is gone");

        Assert.Equal($"{_prefix}-b", Assert.Single((await reflector.TakeChanges(Stop)).Deleted).Key);
        Assert.Equal(1, reflector.Lists);
        await stop.CancelAsync();
    }

    [Fact]
    public async Task A_lease_is_updated_only_by_who_has_seen_its_last_version()
    {
        var (one, two) = (new LeaseLock(Client, "kuik-system", _prefix, "one"), new LeaseLock(Client, "kuik-system", _prefix, "two"));
        var record = new k8s.LeaderElection.LeaderElectionRecord
        {
            HolderIdentity = "one",
            LeaseDurationSeconds = 15,
            AcquireTime = DateTime.UtcNow,
            RenewTime = DateTime.UtcNow,
            LeaderTransitions = 0,
        };
        Assert.True(await one.CreateAsync(record, Stop));
        Assert.Equal("one", (await two.GetAsync(Stop)).HolderIdentity);
        _ = await one.GetAsync(Stop);

        record.LeaderTransitions = 1;
        var isFirst = await one.UpdateAsync(record, Stop);
        record.LeaderTransitions = 2;
        var isSecond = await two.UpdateAsync(record, Stop);

        Assert.Equal((true, false), (isFirst, isSecond));
    }

    [Fact]
    public async Task A_lease_in_a_namespace_that_does_not_exist_is_not_found()
    {
        var lease = new V1Lease { Metadata = new V1ObjectMeta { Name = _prefix }, Spec = new V1LeaseSpec { HolderIdentity = "one" } };

        var refusal = await Assert.ThrowsAsync<k8s.Autorest.HttpOperationException>(
            () => Client.CoordinationV1.CreateNamespacedLeaseWithHttpMessagesAsync(lease, "missing", cancellationToken: Stop));

        Assert.Equal(HttpStatusCode.NotFound, refusal.Response.StatusCode);
    }

    public void Dispose()
    {
        _client?.Dispose();
        GC.SuppressFinalize(this);
    }

    private Task<CachedImage> Apply(string name, CachedImageSpec spec, string manager) =>
        Api.Apply(PathOf(name), Named(name) with { Spec = spec }, manager, KubernetesJson.Default.CachedImage, Stop);

    private CachedImage Named(string name) =>
        new() { Metadata = new ObjectMeta { Name = $"{_prefix}-{name}", Labels = new Dictionary<string, string> { ["set"] = _prefix } } };

    private string PathOf(string name) => $"{CachedImage.Path}/{_prefix}-{name}";

    private string Shown(Reflector<CachedImage, CachedImage> reflector) => string.Join(' ', reflector.State.Values
        .OrderBy(image => image.Metadata.Name, StringComparer.Ordinal)
            .Select(image => $"{image.Metadata.Name![(_prefix.Length + 1)..]}:{image.Spec?.SourceImage}"));

    private static async Task<HttpStatusCode> Refused(Func<Task> call) => (await Assert.ThrowsAsync<KubernetesApiException>(call)).Status;
}

/// <summary>For objects that are read as they are.</summary>
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ConformanceJson : JsonSerializerContext;
