using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Registries;

/// <summary>The servers that all field cases share: with one of each kind, whatever is remembered about one registry must not hurt
/// another.</summary>
public sealed class FieldServers : IAsyncLifetime
{
    private readonly Dictionary<string, FieldRegistry> _registries = [];

    /// <summary>node-proxy without a cache and without an image-fetcher, remembering nothing.</summary>
    internal KuikService Alone { get; private set; } = null!;

    /// <summary>node-proxy before <see cref="Fetcher"/>, remembering nothing.</summary>
    internal KuikService Before { get; private set; } = null!;

    internal StartEngine Fetcher { get; private set; } = null!;

    internal StartEngine Copier { get; private set; } = null!;

    internal Registry Copies { get; private set; } = null!;

    internal Containerd Containerd { get; private set; } = null!;

    /// <summary>The clock of both engines.</summary>
    internal ShiftedTime Time { get; } = new();

    internal FieldRegistry Of(FieldCase field) => _registries[field.Name];

    public async ValueTask InitializeAsync()
    {
        foreach (var (field, index) in FieldCases.All.Select((field, index) => (field, index)))
            _registries[field.Name] = await FieldRegistry.Start(field.Script, seed: 9000 + index);
        string[] hosts = [.. _registries.Values.SelectMany(registry => new[] { registry.First.Host, registry.Second.Host })];
        (Copies, Containerd) = (await Registry.Start(), await Containerd.Start());
        Copier = await StartEngine.RunAt(Time, Copies, hosts);
        Fetcher = await StartEngine.RunAt(Time, await Registry.Start(), hosts);
        Copier.Credentials.Enqueue(new RegistryCredential("robot", "secret"));
        Fetcher.Credentials.Enqueue(new RegistryCredential("robot", "secret"));
        Alone = await StartNodeProxy.With(more: Settings());
        Before = await StartNodeProxy.With(fetcher: Fetcher.Endpoint, more: Settings());

        (string, string)[] Settings() =>
            [("Kuik:Proxy:MemoryLimit", "1"), .. hosts.Select((host, index) => ($"Kuik:InsecureRegistries:{index}", $"http://{host}"))];
    }

    public async ValueTask DisposeAsync()
    {
        Alone.Kill();
        Before.Kill();
        await Copier.DisposeAsync();
        await Fetcher.DisposeAsync();
        foreach (var registry in _registries.Values)
            await registry.DisposeAsync();
    }
}

/// <summary>
/// Whatever skopeo (whose library is CRI-O's) or containerd pulls directly from the registries of <see cref="FieldCases"/>, Kuik pulls:
/// through node-proxy alone, through image-fetcher, and into the cache; the first time and again. What no client pulls ends with an error.
/// </summary>
public sealed class FieldCasesTests(FieldServers servers) : IClassFixture<FieldServers>
{
    public static TheoryData<string> Names => [.. FieldCases.All.Select(exchange => exchange.Name)];

    public static TheoryData<string> WithoutCredential =>
        [.. FieldCases.All.Where(exchange => !exchange.NeedsCredential).Select(exchange => exchange.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Clients_of_today_pull_it_directly_as_the_table_says(string name)
    {
        var (field, registry) = Find(name);
        string[] user = field.NeedsCredential ? ["--user", FieldRegistry.Credential] : [];

        var skopeo = await Outcome(() => Skopeo.Pull(registry.Name, credentials: field.NeedsCredential ? FieldRegistry.Credential : null));
        var containerd = await Outcome(() =>
            servers.Containerd.Ctr(["images", "pull", "--snapshotter", "native", "--plain-http", .. user, registry.Name]));

        Assert.True((skopeo is null || containerd is null) == (field.By == PulledBy.Clients),
            $"skopeo: {skopeo ?? "pulled"}; containerd: {containerd ?? "pulled"}");
    }

    [Theory]
    [MemberData(nameof(WithoutCredential))]
    public async Task Node_proxy_alone_pulls_it_and_pulls_it_again(string name)
    {
        var (field, registry) = Find(name);

        foreach (var time in (string[])["the first time", "again"])
            Check(field, time, await PullAsRuntime.FindProblem(servers.Alone.Endpoint, PathOf(registry), registry.Image));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task It_is_pulled_through_image_fetcher_and_again_in_mirror_mode(string name)
    {
        var (field, registry) = Find(name);

        Check(field, "the first time", await PullAsRuntime.FindProblem(servers.Before.Endpoint, PathOf(registry), registry.Image));
        servers.Time.Advance(TimeSpan.FromSeconds(10));
        Check(field, "again", await PullAsRuntime.FindProblem(servers.Before.Endpoint, PathOf(registry), registry.Image));
        Check(field, "as a mirror",
            await PullAsRuntime.FindProblem(servers.Before.Endpoint, FieldRegistry.Repository, registry.Image,
                $"?ns={registry.First.Host}"));

        // Every image brings the credential. It may reach a token server that the image's own registry names, and nothing else of the
        // second registry.
        Assert.DoesNotContain(registry.Second.Ledger,
            request => request.Authorization?.StartsWith("Basic", StringComparison.Ordinal) == true
                && !(field.NamesSecond && request.IsToken()));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task It_is_copied_and_found_unchanged_afterwards(string name)
    {
        var (field, registry) = Find(name);
        if (field.By == PulledBy.None)
        {
            Assert.NotEmpty((await Assert.ThrowsAsync<CopyException>(() => servers.Copier.Copy(registry.Name))).Message);
            return;
        }

        var first = await servers.Copier.Copy(registry.Name);
        servers.Time.Advance(TimeSpan.FromSeconds(10));
        var second = await servers.Copier.Copy(registry.Name);

        Assert.Equal((registry.Image.Digest, registry.Image.MediaType), (first.Digest, first.MediaType));
        Assert.Equal((registry.Image.Digest, 0), (second.Digest, second.BytesCopied));
        await servers.Copies.AssertHas(registry.Name, registry.Image);
    }

    private (FieldCase Field, FieldRegistry Registry) Find(string name)
    {
        var field = FieldCases.All.Single(field => field.Name == name);
        return (field, servers.Of(field));
    }

    private static void Check(FieldCase field, string time, string? problem) =>
        Assert.True(problem is null == (field.By != PulledBy.None), $"{time}: {problem}");

    private static string PathOf(FieldRegistry registry) => CachePath.Of(ImageReference.Parse(registry.Name));

    private static async Task<string?> Outcome(Func<Task> pull)
    {
        try
        {
            await pull();
            return null;
        }
        catch (ServerFailedException failed)
        {
            return failed.Message;
        }
    }
}
