using Kuik.IntegrationTests.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Replicas;

public class FullDiskTests
{
    private const int DiskSizeInMiB = 6;
    private const int Images = 12;

    /// <summary>The spool is a volume of its own that only the replica sees, and that is gone with it.</summary>
    private static readonly string[] OnSmallDisk =
    [
        "unshare", .. Environment.IsPrivilegedProcess ? Array.Empty<string>() : ["--user", "--map-root-user"], "--mount", "sh", "-c",
        $"set -e; spool=$Kuik__Fetch__SpoolPath; mkdir -p $spool; mount -t tmpfs -o size={DiskSizeInMiB}m tmpfs $spool; exec \"$0\" \"$@\"",
    ];

    [Fact]
    public async Task Images_are_pulled_and_kept_when_the_disk_is_smaller_than_the_limit_of_the_spool_says()
    {
        await using var origin = await ScriptedOrigin.Start();
        origin.Script = request => request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 2_000_000) : null;
        var images = Enumerable.Range(0, Images).Select(i => TestImage.Small(seed: 9000 + i, size: 1_500_000)).ToList();
        var names = images.Select((image, i) => origin.Add("team/app", $"{i}", image)).ToList();
        var cache = await Registry.Start();
        await using var fleet = await Fleet.Start(new FleetOptions(cache, [origin.Host]) { Size = 1, Wrapper = OnSmallDisk });
        var log = new PullLog();

        await Task.WhenAll(images.Select((image, i) => fleet.Pull(names[i], image, log, i)));

        Assert.True(log.Failures.IsEmpty && log.WrongBytes.IsEmpty, log.Timeline);
        foreach (var (name, image) in names.Zip(images))
            await Eventually.True(async () => await cache.Manifest(name) is not null, $"{name} is kept");
    }

    [Fact]
    public async Task A_client_gets_a_blob_that_is_larger_than_the_disk()
    {
        await using var origin = await ScriptedOrigin.Start();
        var image = TestImage.Small(seed: 9100, size: 2 * (DiskSizeInMiB << 20));
        var name = origin.Add("team/large", "1", image);
        var cache = await Registry.Start();
        await using var fleet = await Fleet.Start(new FleetOptions(cache, [origin.Host]) { Size = 1, Wrapper = OnSmallDisk });
        var log = new PullLog();

        await fleet.Pull(name, image, log, seed: 1);

        Assert.True(log.Failures.IsEmpty && log.WrongBytes.IsEmpty, log.Timeline);
        Assert.Equal(1, log.Pulls);
    }
}
