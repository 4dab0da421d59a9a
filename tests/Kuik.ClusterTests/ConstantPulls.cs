using System.Diagnostics;
using System.Net.Http.Headers;
using Kuik.Testing;

namespace Kuik.ClusterTests;

/// <summary>
/// Pulls a small image from node-proxy over and over, on new connections as a container runtime does, until it is disposed of, and
/// measures for how long no pull succeeded.
/// </summary>
internal sealed class ConstantPulls : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly string path;
    private readonly string tag;
    private readonly TestImage image;
    private readonly Task pulling;
    private long lastSuccess = Stopwatch.GetTimestamp();
    private int count;
    private (string What, TimeSpan Took) slowest;

    private ConstantPulls(string path, string tag, TestImage image)
    {
        (this.path, this.tag, this.image) = (path, tag, image);
        pulling = Task.Run(PullUntilStopped);
    }

    /// <summary>
    /// The limit for <see cref="LongestGap"/> where nothing is to be interrupted: the goal is 2 s, and two cores that start ten containers
    /// beside other work (14 s were seen at a load of 50) need room. A container runtime waits longer than this.
    /// </summary>
    public static TimeSpan LongestWait { get; } = TimeSpan.FromSeconds(40);

    /// <summary>The longest time between the ends of two pulls that succeeded.</summary>
    public TimeSpan LongestGap { get; private set; }

    /// <summary>When <see cref="LongestGap"/> ended, and what was asked for longest in that pull: where to look in the logs.</summary>
    public string LongestGapEnd { get; private set; } = "";

    /// <summary>The last failure; null as long as all succeeded.</summary>
    public string? LastFailure { get; private set; }

    /// <summary>Pulls that failed.</summary>
    public int Failures { get; private set; }

    /// <summary>Pulls that succeeded.</summary>
    public int Count => Volatile.Read(ref count);

    /// <summary>Starts, and waits for the first pull.</summary>
    /// <param name="name">As a user writes it, with the registry's port and a tag.</param>
    /// <param name="image">The expected image.</param>
    public static async Task<ConstantPulls> Start(string name, TestImage image)
    {
        var colon = name.LastIndexOf(':');
        var pulls = new ConstantPulls(name[..colon].Replace(":5000/", "_5000/", StringComparison.Ordinal), name[(colon + 1)..], image);
        await pulls.Another();
        pulls.LongestGap = TimeSpan.Zero;
        return pulls;
    }

    /// <summary>Waits until a pull that begins from now on has succeeded.</summary>
    /// <exception cref="TimeoutException">None did within three minutes.</exception>
    public async Task Another()
    {
        var enough = Count + 2;   // the next one may have begun before
        try
        {
            await Eventually.True(() => Count >= enough, "an image is pulled again", TimeSpan.FromMinutes(3));
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}: {LastFailure}", late);
        }
    }

    /// <summary>The measurements, as a line.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Count} pulls, {Failures} failed, longest gap {LongestGap.TotalSeconds:0.00} s{LongestGapEnd}");

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await pulling;
        stop.Dispose();
    }

    private async Task PullUntilStopped()
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await Pull();
                Succeeded();
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException or TaskCanceledException)
            {
                if (stop.IsCancellationRequested)
                    return;
                LastFailure = failure.Message;
                Failures++;
            }
            await Task.Delay(20);
        }
    }

    private async Task Pull()
    {
        using var http = new HttpClient { BaseAddress = new Uri("http://localhost:7439/v2/"), Timeout = TimeSpan.FromMinutes(1) };
        slowest = default;
        http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue(image.MediaType));
        await Get(http, $"manifests/{tag}", image.Digest);
        foreach (var blob in image.Blobs)
            await Get(http, $"blobs/{blob.Digest}", blob.Digest);
    }

    private async Task Get(HttpClient http, string what, string digest)
    {
        var begin = Stopwatch.GetTimestamp();
        var bytes = await http.GetByteArrayAsync(new Uri($"{path}/{what}", UriKind.Relative), stop.Token);
        if (TestBlob.DigestOf(bytes) != digest)
            throw new IOException($"{what} is {TestBlob.DigestOf(bytes)} instead of {digest}");
        if (Stopwatch.GetElapsedTime(begin) is var took && took > slowest.Took)
            slowest = (what, took);
    }

    private void Succeeded()
    {
        var now = Stopwatch.GetTimestamp();
        var gap = Stopwatch.GetElapsedTime(lastSuccess, now);
        if (gap > LongestGap)
            (LongestGap, LongestGapEnd) = (gap, FormattableString.Invariant(
                $" (until {DateTime.UtcNow:HH:mm:ss.f}, {slowest.Took.TotalSeconds:0.00} s of it for {slowest.What})"));
        lastSuccess = now;
        Volatile.Write(ref count, count + 1);
    }
}
