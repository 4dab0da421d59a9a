using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

public class ContainerdTests
{
    [Fact]
    public async Task It_pulls_and_unpacks_an_image_that_a_registry_holds()
    {
        var registry = await Registry.Start();
        var index = TestIndex.Runnable(seed: 20);
        var name = await registry.Push("team/web", "1", index);
        var containerd = await Containerd.Start();

        await containerd.Pull(name);

        Assert.Contains(index.Digest, await containerd.Ctr("images", "ls"), StringComparison.Ordinal);
        Assert.Contains(TestLayer.Busybox.DiffId, await containerd.Ctr("snapshots", "--snapshotter", "native", "ls"),
            StringComparison.Ordinal);
    }
}
