using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>Private images, opened by Secrets of a real Kubernetes API that a pod brings.</summary>
public sealed class PullSecretsTests
{
    private const string User = "robot";
    private const string Password = "hunter2-secret";
    private static readonly RegistryOptions Basic = new() { Name = "origin", Credentials = (User, Password) };

    [Fact]
    public async Task A_private_image_is_copied_with_its_pods_secret_and_basic_authentication()
    {
        await using var world = await FetcherWorld.Start(Basic);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, Password);
        await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var content = TestImage.Small(seed: 20);
        var image = await world.Origin.Push("team/app", "1", content);

        await world.AddPod(@namespace, image, "not-there", "robot");
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Bytes, await world.InCache(image));
    }

    [Fact]
    public async Task A_private_image_is_copied_with_its_pods_secret_and_a_bearer_token()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string> { [User] = Password });
        await using var world = await FetcherWorld.Start(new RegistryOptions { Name = "origin", Tokens = tokens });
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, Password);
        await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var content = TestIndex.Small(seed: 21);
        var image = await world.Origin.Push("team/app", "1", content);

        await world.AddPod(@namespace, image, "robot");
        await world.Request(image);
        var cached = await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Digest, cached.Digest);
        Assert.Contains($"{User} repository:team/app:pull", tokens.Issued);
    }

    [Fact]
    public async Task A_private_image_that_no_pod_uses_is_copied_with_the_secret_that_its_Repository_names()
    {
        await using var world = await FetcherWorld.Start(Basic);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, Password);
        await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var content = TestImage.Small(seed: 25);
        var image = await world.Origin.Push("team/app", "1", content);

        await world.Configure(
            ImageReference.Parse(image).Name,
            new RepositoryConfiguration { PullSecretNames = ["not-there", "robot"], PullSecretsNamespace = @namespace });
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        Assert.Equal(content.Bytes, await world.InCache(image));
    }

    /// <summary>The three Secrets that made everything of their pods fail. A kube-apiserver accepts them, as Go's decoder does.</summary>
    [Theory]
    [InlineData("{\"auths\":{\"b\u00fccher.example\":{\"username\":\"u\",\"password\":\"p\"}}}")]
    [InlineData("{\"auths\":{\"other.example\":{\"username\":\"u\",\"password\":\"p\u00e9ss\"}}}")]
    [InlineData("""{"auths":{"other.example":{"username":"u","password":"\ud800"}}}""")]
    public async Task A_secret_that_is_not_Unicode_stops_neither_a_public_image_nor_the_good_secrets_of_others(string latin1)
    {
        await using var world = await FetcherWorld.Start(Basic);
        var open = await Registry.Start(new RegistryOptions { Name = "origin" });
        var (kubernetes, shop) = await NewNamespace();
        var other = await kubernetes.NewNamespace();
        await ApplySecret(kubernetes, shop, "odd", Encoding.Latin1.GetBytes(latin1));
        await ApplySecret(kubernetes, other, "robot", world.Origin.Host, Password);
        var fetcher = await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig), ("Kuik:InsecureRegistries:1", $"http://{open.Host}"));
        var (content, mine) = (TestImage.Small(seed: 61), TestImage.Small(seed: 62));
        var image = await open.Push("team/public", "1", content);
        await open.Push("team/public", "2", mine);
        var closed = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 63));

        await world.AddPod(shop, image, "odd");
        await world.AddPod(shop, $"{open.Host}/team/public:2", "odd");
        await world.AddPod(shop, closed, "odd");
        await world.AddPod(other, closed, "robot");
        var pulled = await FetcherWorld.Pull(fetcher, $"{open.Host}/team/public:2", "manifests/2");
        await world.Request(image);
        await world.Request(closed);
        await world.Recorded<ImageCached>(image);
        await world.Recorded<ImageCached>(closed);

        Assert.Equal(mine.Bytes, pulled);
        Assert.Equal(content.Bytes, await world.InCache(image));
        var told = $"the pull secret {shop}/odd has an entry (number 1) with text that is not Unicode";
        Assert.Contains(told, fetcher.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_token_in_a_secret_is_shown_to_the_registry_itself()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string> { [User] = Password });
        await using var world = await FetcherWorld.Start(new RegistryOptions { Name = "origin", Tokens = tokens });
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host,
            new { registrytoken = await TokenToPull(tokens, "team/app") });
        await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 24));
        var issued = tokens.Issued.Count;

        await world.AddPod(@namespace, image, "robot");
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        Assert.DoesNotContain(tokens.Issued.Skip(issued), token => token.StartsWith(User, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task With_Postgres_down_a_private_image_that_was_asked_for_pulls_and_another_tag_only_where_the_settings_say_so(
        bool opensTags)
    {
        var postgres = await Postgres.StartOwn();
        await using var world = await FetcherWorld.Start(Basic, postgres: postgres);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, Password);
        var fetcher = await world.StartFetcher(
            ("KUBECONFIG", kubernetes.Kubeconfig), ("Kuik:Fetch:OpenTagsWithoutPostgres", $"{opensTags}"));
        var (known, later) = (TestImage.Small(seed: 25), TestImage.Small(seed: 26));
        var image = await world.Origin.Push("team/app", "1", known);
        var other = await world.Origin.Push("team/app", "2", later);
        await world.AddPod(@namespace, image, "robot");
        Assert.Equal(known.Bytes, await FetcherWorld.Pull(fetcher, image, "manifests/1"));

        await postgres.Stop();
        var blob = await FetcherWorld.Pull(fetcher, image, $"blobs/{known.Layers[0].Digest}");
        if (opensTags)
            Assert.Equal(later.Bytes, await FetcherWorld.Pull(fetcher, image, "manifests/2"));
        else
            await FetcherWorld.Refused(fetcher, other);
        using var http = new HttpClient { BaseAddress = fetcher.Health };
        var ready = await http.GetStringAsync(new Uri("/readyz", UriKind.Relative));
        await postgres.Start();

        Assert.Equal(known.Layers[0].Bytes, blob);
        Assert.Contains(opensTags ? "pull-secrets: Degraded" : "pull-secrets: Healthy", ready, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_credentials_are_refused_and_neither_they_nor_right_ones_are_shown_anywhere()
    {
        await using var world = await FetcherWorld.Start(Basic);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "right", world.Origin.Host, Password);
        await ApplySecret(kubernetes, @namespace, "wrong", world.Origin.Host, "wr0ng-secret");
        await ApplySecret(kubernetes, @namespace, "token", world.Origin.Host, new { registrytoken = "wr0ng-registry-token" });
        await ApplySecret(kubernetes, @namespace, "identity", world.Origin.Host,
            new { auth = Encode("wr0ng-secret"), identitytoken = "wr0ng-identity-token" });
        var fetcher = await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig), FetcherWorld.LogsEverything);
        var opened = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 22));
        var closed = await world.Origin.Push("team/app", "2", TestImage.Small(seed: 27));

        await world.AddPod(@namespace, opened, "wrong", "token", "identity", "right");
        await world.AddPod(@namespace, closed, "not-there", "wrong", "token", "identity");
        await world.Request(opened);
        await world.Request(closed);
        await world.Recorded<ImageCached>(opened);
        var failed = await world.Recorded<ImageFetchFailed>(closed);
        var error = await FetcherWorld.Refused(fetcher, closed);

        Assert.Equal(("refused", false), (failed.Kind, failed.RetryHelps));
        Assert.EndsWith($"the pull secret {@namespace}/not-there does not exist", failed.Reason, StringComparison.Ordinal);
        Assert.Contains("UNAUTHORIZED", error, StringComparison.Ordinal);
        using var http = new HttpClient { BaseAddress = fetcher.Health };
        var written = new Dictionary<string, string>
        {
            ["the log"] = fetcher.Log,
            ["the events"] = await world.WholeLog(),
            ["the error"] = error,
            ["its metrics"] = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative)),
            ["its state"] = await http.GetStringAsync(new Uri("/readyz", UriKind.Relative)),
        };
        Assert.Contains("DEBUG", written["the log"], StringComparison.Ordinal);
        foreach (var secret in (string[])["wr0ng", Encode("wr0ng-secret"), Password, Encode(Password)])
            Assert.All(written, where => Assert.DoesNotContain(secret, where.Value, StringComparison.Ordinal));
    }

    /// <summary>Pods of two namespaces name two tags of one private repository; only the first brings a secret.</summary>
    [Fact]
    public async Task A_secret_opens_no_other_tag_for_a_pod_of_another_namespace()
    {
        await using var world = await FetcherWorld.Start(Basic);
        var (kubernetes, shop) = await NewNamespace();
        var other = await kubernetes.NewNamespace();
        await ApplySecret(kubernetes, shop, "robot", world.Origin.Host, Password);
        var fetcher = await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var content = TestImage.Small(seed: 28);
        var mine = await world.Origin.Push("team/app", "1", content);
        var theirs = await world.Origin.Push("team/app", "2", TestImage.Small(seed: 29));

        await world.AddPod(shop, mine, "robot");
        await world.AddPod(other, theirs);
        await world.Request(theirs);
        var failed = await world.Recorded<ImageFetchFailed>(theirs);
        var error = await FetcherWorld.Refused(fetcher, theirs);
        var layer = await FetcherWorld.Pull(fetcher, mine, $"blobs/{content.Layers[0].Digest}");

        Assert.Equal("refused", failed.Kind);
        Assert.Contains($"no pod that is known to use {theirs} has a pull secret", error, StringComparison.Ordinal);
        Assert.DoesNotContain(world.Origin.Requests(),
            request => request.Path.EndsWith("/manifests/2", StringComparison.Ordinal) && request.Method != "PUT" && request.Status == 200);
        Assert.Equal(content.Layers[0].Bytes, layer);
    }

    /// <summary>Takes pod-watcher's part: a person asks again after mending the secret.</summary>
    [Fact]
    public async Task A_secret_that_was_wrong_and_is_mended_works_at_the_next_request_without_a_restart()
    {
        await using var world = await FetcherWorld.Start(Basic);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, "wr0ng-secret");
        await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 23));
        await world.AddPod(@namespace, image, "robot");
        await world.Request(image);
        await world.Recorded<ImageFetchFailed>(image);

        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, Password);
        await world.Append(image, new RequestedByPerson(image, image, "app-1", DateTimeOffset.UtcNow));
        await world.Recorded<ImageCached>(image);

        Assert.NotNull(await world.InCache(image));
    }

    [Fact]
    public async Task The_service_account_may_get_secrets_and_nothing_else()
    {
        var kubernetes = await KubernetesApi.StartOwn();
        await kubernetes.NewNamespace("kuik-system");
        await kubernetes.Kubectl("apply", "-f", Path.Combine(Checkout.Root, "deploy/kustomize/base/image-fetcher/rbac.yaml"));

        string[] us = ["--as=system:serviceaccount:kuik-system:kuik-image-fetcher", "--all-namespaces"];
        async Task<bool> May(string verb, string what) => (await kubernetes.TryKubectl(["auth", "can-i", verb, what, .. us])).ExitCode == 0;

        Assert.True(await May("get", "secrets"));
        foreach (var (verb, what) in ((string, string)[])[("list", "secrets"), ("watch", "secrets"), ("create", "secrets"), ("get", "pods"),
            ("get", "configmaps")])
            Assert.False(await May(verb, what), $"{verb} {what}");
    }

    private static async Task<(KubernetesApi Kubernetes, string Namespace)> NewNamespace()
    {
        var kubernetes = await KubernetesApi.Shared();
        return (kubernetes, await kubernetes.NewNamespace());
    }

    private static Task ApplySecret(KubernetesApi kubernetes, string @namespace, string name, string host, string password) =>
        ApplySecret(kubernetes, @namespace, name, host, new { auth = Encode(password) });

    private static Task ApplySecret(KubernetesApi kubernetes, string @namespace, string name, string host, object entry) =>
        kubernetes.Apply(JsonSerializer.Serialize(new
        {
            apiVersion = "v1",
            kind = "Secret",
            metadata = new { name, @namespace },
            type = "kubernetes.io/dockerconfigjson",
            stringData = new Dictionary<string, string>
            {
                [".dockerconfigjson"] = JsonSerializer.Serialize(new { auths = new Dictionary<string, object> { [host] = entry } }),
            },
        }));

    private static Task ApplySecret(KubernetesApi kubernetes, string @namespace, string name, byte[] content) => kubernetes.Apply(
        JsonSerializer.Serialize(new
        {
            apiVersion = "v1",
            kind = "Secret",
            metadata = new { name, @namespace },
            type = "kubernetes.io/dockerconfigjson",
            data = new Dictionary<string, byte[]> { [".dockerconfigjson"] = content },
        }));

    private static async Task<string> TokenToPull(TokenServer tokens, string repository)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Encode(Password));
        using var answer = JsonDocument.Parse(
            await http.GetStringAsync(new Uri($"{tokens.Realm}?service={TokenServer.Audience}&scope=repository:{repository}:pull")));
        return answer.RootElement.GetProperty("token").GetString()!;
    }

    private static string Encode(string password) => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{password}"));
}
