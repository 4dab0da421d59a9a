using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>The registries.conf of docs/mirror-mode.md, read by skopeo: CRI-O has the same library (containers/image).</summary>
public sealed partial class RegistriesConfTests
{
    [Fact]
    public async Task An_image_is_pulled_by_its_own_name_from_the_cache_and_from_its_origin_when_node_proxy_is_gone()
    {
        var (cache, origin) = (await Registry.Start(), await Registry.Start());
        var (cached, other) = (TestImage.Small(seed: 86), TestImage.Small(seed: 87));
        await cache.Store(StoreInCache.PathOf(origin, "team/web"), "1", cached);
        var name = await origin.Push("team/web", "2", other);
        var proxy = await StartNodeProxy.With(cache.Endpoint);
        var configuration = await Write(proxy.Port, origin.Host);

        var byMirror = await Pull($"{origin.Host}/team/web:1", configuration);
        Assert.Empty(origin.BlobDownloads());
        proxy.Kill();
        var byItself = await Pull(name, configuration);

        Assert.Equal(cached.Bytes, byMirror);
        Assert.Equal(other.Bytes, byItself);
    }

    // As documented, for another registry; its own location is plain HTTP here.
    private static async Task<string> Write(int port, string origin)
    {
        var documented = Example().Match(await File.ReadAllTextAsync(Path.Combine(Checkout.Root, "docs/mirror-mode.md"))).Groups[1].Value;
        var file = Path.Combine(Sandbox.Shared.NewFolder("registries-conf"), "registries.conf");
        await File.WriteAllTextAsync(file, documented
            .Replace("localhost:7439/docker.io", $"localhost:{port}/{origin.Replace(':', '_')}", StringComparison.Ordinal)
            .Replace("location = \"docker.io\"", $"location = \"{origin}\"\ninsecure = true", StringComparison.Ordinal)
            .Replace("\"docker.io\"", $"\"{origin}\"", StringComparison.Ordinal));
        return file;
    }

    private static async Task<byte[]> Pull(string image, string configuration)
    {
        var folder = Sandbox.Shared.NewFolder("pulled");
        await Skopeo.Run("--registries-conf", configuration, "copy", "--quiet", $"docker://{image}", $"dir:{folder}");
        return await File.ReadAllBytesAsync(Path.Combine(folder, "manifest.json"));
    }

    [GeneratedRegex(@"```toml\n(\[\[registry\]\]\n[^`]*)```")]
    private static partial Regex Example();
}
