using Kuik.NodeProxy;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Kuik.Tests.NodeProxy;

/// <summary>
/// The file as Kubernetes mounts a ConfigMap: a link to a file in <c>..data</c>, which is a link to a folder with a date, and is swapped
/// as a whole.
/// </summary>
public sealed class EndpointsFileTests : IDisposable
{
    private readonly DirectoryInfo _mount = Directory.CreateTempSubdirectory("kuik-endpoints");
    private readonly SourceAddresses _addresses = new(new SourceAddress(new Uri("http://10.96.0.1:5000")), new SourceAddress(null));
    private int _version;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _mount.Delete(recursive: true);

    [Fact]
    public async Task A_swapped_ConfigMap_moves_both_servers()
    {
        using var file = Open();
        Mount("cache=http://10.96.0.7:5000\nfetcher=http://fd00:10:96::8:8080\n");
        await file.Reload(Stop);
        Assert.Equal(("http://10.96.0.7:5000/", "http://[fd00:10:96::8]:8080/"), Now());

        Mount("# moved\nfetcher=http://10.96.0.9:8080\ncache=http://10.96.0.10:5000");
        await file.Reload(Stop);

        Assert.Equal(("http://10.96.0.10:5000/", "http://10.96.0.9:8080/"), Now());
    }

    [Fact]
    public async Task Nothing_behind_the_sign_means_none_and_no_line_means_as_configured()
    {
        using var file = Open();
        Mount("cache=http://10.96.0.7:5000\nfetcher=http://10.96.0.8:8080\n");
        await file.Reload(Stop);

        Mount("fetcher=\n");
        await file.Reload(Stop);

        Assert.Equal(("http://10.96.0.1:5000/", null), Now());
    }

    [Fact]
    public async Task Without_the_file_and_with_one_that_cannot_be_used_the_addresses_stay()
    {
        using var file = Open();
        await file.Reload(Stop);
        Assert.Equal(("http://10.96.0.1:5000/", null), Now());
        Mount("cache=http://10.96.0.7:5000\n");
        await file.Reload(Stop);

        Mount("cache=kuik-registry:5000\nfetcher=x\n");
        await file.Reload(Stop);

        Assert.Equal(("http://10.96.0.7:5000/", null), Now());
    }

    private (string?, string?) Now() => (_addresses.Cache.Current?.AbsoluteUri, _addresses.Fetcher.Current?.AbsoluteUri);

    private EndpointsFile Open() => new(
        new ProxyOptions
        {
            Port = 0,
            PreviousPorts = [],
            MetricsUrls = [],
            Cache = null,
            Fetcher = null,
            EndpointsFile = Path.Combine(_mount.FullName, "endpoints")
        },
        _addresses, TimeProvider.System, NullLogger<EndpointsFile>.Instance);

    private void Mount(string text)
    {
        var folder = _mount.CreateSubdirectory($"..2026_{++_version}");
        File.WriteAllText(Path.Combine(folder.FullName, "endpoints"), text);
        var data = Path.Combine(_mount.FullName, "..data");
        if (Directory.Exists(data))
            Directory.Delete(data);   // the link: Kubernetes renames a new one over it, which .NET does not do for links to folders
        Directory.CreateSymbolicLink(data, folder.Name);
        var visible = Path.Combine(_mount.FullName, "endpoints");
        if (!File.Exists(visible))
            File.CreateSymbolicLink(visible, "..data/endpoints");
    }
}
