using Kuik.Contracts;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

/// <summary>The conformance tests on the scripted server, and what no real one does on command.</summary>
public sealed class ScriptedKubernetesTests : KubernetesConformance, IAsyncLifetime
{
    private ScriptedKubernetes _kubernetes = null!;

    protected override string Kubeconfig => _kubernetes.Kubeconfig;

    private Kubernetes.KubernetesApi Client => new(KubernetesAccess.Connect(_kubernetes.Kubeconfig));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static WatchedKinds Kinds => new(new WatcherOptions("kuik-system", [7439], TimeSpan.FromSeconds(15)));

    public async ValueTask InitializeAsync() => _kubernetes = await ScriptedKubernetes.Start();

    public ValueTask DisposeAsync()
    {
        Dispose();
        return _kubernetes.DisposeAsync();
    }

    [Fact]
    public async Task Pods_are_listed_in_pages_as_the_webhook_leaves_them()
    {
        for (var i = 0; i < 1201; i++)
            _kubernetes.AddPod("apps", $"web-{i}", "origin.example:5000/team/web:1", "docker.io/library/redis:7");
        _kubernetes.AddPod(new ScriptedPod("apps", "unseen", ["nginx"]) { IsManaged = false });

        var pods = await Client.ListAll(Kinds.Pods, Stop);

        Assert.Equal(1201, pods.Count);
        Assert.Equal((1, 3), (_kubernetes.Requests("list", "pods"),
            _kubernetes.Ledger.Count(request => request is { Verb: "list", Resource: "pods" })));
        Assert.All(pods, pod => Assert.Equal(["origin.example:5000/team/web:1", "docker.io/library/redis:7"],
            pod.Images.Select(image => image.Image)));
    }

    [Fact]
    public async Task A_label_that_is_taken_away_and_given_back_is_a_deletion_and_a_new_pod()
    {
        _kubernetes.AddPod("apps", "web", "nginx");
        await using var pods = Follow();
        await Eventually.True(() => pods.Reflector.State.Count == 1, "the pod is seen");

        _kubernetes.ChangePod("apps", "web", pod => pod with { IsManaged = false });
        await Eventually.True(() => pods.Reflector.State.Count == 0, "it is gone for a watch of labelled pods");
        _kubernetes.ChangePod("apps", "web", pod => pod with { IsManaged = true });

        await Eventually.True(() => pods.Reflector.State.Count == 1, "it is back");
        Assert.Equal(1, pods.Reflector.Lists);
    }

    [Fact]
    public async Task A_watch_that_was_ended_goes_on_and_one_whose_version_is_forgotten_is_followed_by_a_list()
    {
        await using var pods = Follow();
        await Eventually.True(() => pods.Reflector.Problem is null, "it watches");

        _kubernetes.EndWatches();
        _kubernetes.AddPod("apps", "one", "nginx");
        await Eventually.True(() => pods.Reflector.State.Count == 1, "a pod is seen by the next watch");
        Assert.Equal(1, pods.Reflector.Lists);
        _kubernetes.EndWatches();
        _kubernetes.AddPod("apps", "two", "nginx");
        _kubernetes.ForgetChanges();

        await Eventually.True(() => pods.Reflector.State.Count == 2, "the other one is seen too");
    }

    [Fact]
    public async Task Refusals_stalls_and_broken_bodies_come_as_the_script_says()
    {
        var gate = new TaskCompletionSource();
        _kubernetes.AddPod("apps", "web", "nginx");
        _kubernetes.Script = request => request.Count switch
        {
            0 => ScriptedAnswers.Refuse(429, "TooManyRequests", retryAfter: TimeSpan.FromSeconds(3)),
            1 => ScriptedAnswers.BreakOffAfter(100),
            2 => ScriptedAnswers.Reset(),
            3 => ScriptedAnswers.StallAfter(100, gate.Task),
            _ => null,
        };

        var refusal = await Assert.ThrowsAsync<KubernetesApiException>(() => Client.ListAll(Kinds.Pods, Stop));
        // A reset may overtake what was sent before it, the headers included.
        var broken = await Assert.ThrowsAnyAsync<Exception>(() => Client.ListAll(Kinds.Pods, Stop));
        Assert.True(broken is IOException or HttpRequestException, broken.ToString());
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Client.ListAll(Kinds.Pods, Stop));
        var stalled = Client.ListAll(Kinds.Pods, Stop);
        await Eventually.True(() => _kubernetes.Requests("list", "pods") == 4, "the stalled request is there");
        Assert.False(stalled.IsCompleted);
        gate.SetResult();

        Assert.Equal("web", Assert.Single(await stalled).Name);
        Assert.Equal(429, (int)refusal.Status);
    }

    [Fact]
    public async Task A_stall_in_a_watch_holds_its_lines_back()
    {
        var gate = new TaskCompletionSource();
        _kubernetes.Script = request => request.Verb == "watch" ? ScriptedAnswers.StallAfter(10, gate.Task) : null;
        await using var pods = Follow();
        await Eventually.True(() => pods.Reflector.Problem is null, "it watches");
        _kubernetes.AddPod("apps", "web", "nginx");

        Assert.Empty(pods.Reflector.State);
        gate.SetResult();

        await Eventually.True(() => pods.Reflector.State.Count == 1, "the pod is seen when the stall is over");
    }

    [Fact]
    public void A_person_changes_and_deletes_objects_without_a_request()
    {
        var path = $"apis/{Names.Group}/{Names.Version}/cachedimages/one";
        _kubernetes.Apply(path, """{"spec":{"sourceImage":"nginx","retain":true}}""");
        _kubernetes.Apply(path, """{"spec":{"sourceImage":"nginx"}}""");
        var spec = _kubernetes.Find(path)!["spec"]!.ToJsonString();
        _kubernetes.Delete(path);

        Assert.Equal("""{"sourceImage":"nginx"}""", spec);
        Assert.Null(_kubernetes.Find(path));
        Assert.Empty(_kubernetes.Ledger);
    }

    private FollowedPods Follow() => new(new Reflector<Pod, LiveUser>(Kinds.Pods, Client, TimeProvider.System, NullLogger.Instance));

    private sealed class FollowedPods : IAsyncDisposable
    {
        private readonly CancellationTokenSource stop = new();
        private readonly Task following;

        public FollowedPods(Reflector<Pod, LiveUser> reflector) => (Reflector, following) = (reflector, reflector.Run(stop.Token));

        public Reflector<Pod, LiveUser> Reflector { get; }

        public async ValueTask DisposeAsync()
        {
            await stop.CancelAsync();
            await following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stop.Dispose();
        }
    }
}
