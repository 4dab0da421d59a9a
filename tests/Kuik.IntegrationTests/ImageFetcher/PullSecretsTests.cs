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
    public async Task A_registry_token_in_a_secret_is_shown_to_the_registry_itself()
    {
        var tokens = await TokenServer.Start(new Dictionary<string, string> { [User] = Password });
        await using var world = await FetcherWorld.Start(new RegistryOptions { Name = "origin", Tokens = tokens });
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, new { registrytoken = await TokenToPull(tokens, "team/app") });
        await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 24));
        var issued = tokens.Issued.Count;

        await world.AddPod(@namespace, image, "robot");
        await world.Request(image);
        await world.Recorded<ImageCached>(image);

        Assert.DoesNotContain(tokens.Issued.Skip(issued), token => token.StartsWith(User, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_private_image_still_pulls_with_Postgres_down_once_its_repositorys_secrets_were_known()
    {
        var postgres = await Postgres.StartOwn();
        await using var world = await FetcherWorld.Start(Basic, postgres: postgres);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, Password);
        var fetcher = await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var (known, later) = (TestImage.Small(seed: 25), TestImage.Small(seed: 26));
        var image = await world.Origin.Push("team/app", "1", known);
        await world.Origin.Push("team/app", "2", later);
        await world.AddPod(@namespace, image, "robot");
        Assert.Equal(known.Bytes, await FetcherWorld.Pull(fetcher, image, "manifests/1"));

        await postgres.Stop();
        var pulled = await FetcherWorld.Pull(fetcher, image, "manifests/2");
        await postgres.Start();

        Assert.Equal(later.Bytes, pulled);
    }

    [Fact]
    public async Task Wrong_credentials_are_refused_and_shown_nowhere()
    {
        await using var world = await FetcherWorld.Start(Basic);
        var (kubernetes, @namespace) = await NewNamespace();
        await ApplySecret(kubernetes, @namespace, "robot", world.Origin.Host, "wr0ng-secret");
        var fetcher = await world.StartFetcher(("KUBECONFIG", kubernetes.Kubeconfig));
        var image = await world.Origin.Push("team/app", "1", TestImage.Small(seed: 22));

        await world.AddPod(@namespace, image, "not-there", "robot");
        await world.Request(image);
        var failed = await world.Recorded<ImageFetchFailed>(image);

        Assert.Equal(("refused", false), (failed.Kind, failed.RetryHelps));
        Assert.EndsWith($"the pull secret {@namespace}/not-there does not exist", failed.Reason, StringComparison.Ordinal);
        foreach (var secret in (string[])["wr0ng-secret", Encode("wr0ng-secret")])
        {
            Assert.DoesNotContain(secret, await world.WholeLog(), StringComparison.Ordinal);
            Assert.DoesNotContain(secret, fetcher.Log, StringComparison.Ordinal);
        }
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
        foreach (var (verb, what) in ((string, string)[])[("list", "secrets"), ("watch", "secrets"), ("create", "secrets"), ("get", "pods"), ("get", "configmaps")])
            Assert.False(await May(verb, what), $"{verb} {what}");
    }

    private static async Task<(KubernetesApi Kubernetes, string Namespace)> NewNamespace()
    {
        var kubernetes = await KubernetesApi.Shared();
        return (kubernetes, await kubernetes.NewNamespace());
    }

    private static Task ApplySecret(KubernetesApi kubernetes, string @namespace, string name, string host, string password) =>
        ApplySecret(kubernetes, @namespace, name, host, new { auth = Encode(password) });

    private static Task ApplySecret(KubernetesApi kubernetes, string @namespace, string name, string host, object entry) => kubernetes.Apply(JsonSerializer.Serialize(new
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

    private static async Task<string> TokenToPull(TokenServer tokens, string repository)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Encode(Password));
        using var answer = JsonDocument.Parse(await http.GetStringAsync(new Uri($"{tokens.Realm}?service={TokenServer.Audience}&scope=repository:{repository}:pull")));
        return answer.RootElement.GetProperty("token").GetString()!;
    }

    private static string Encode(string password) => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{password}"));
}
