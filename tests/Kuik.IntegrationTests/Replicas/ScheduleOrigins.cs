using Kuik.Testing;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>An image of a <see cref="ScheduleOrigins"/>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Image">The expected image.</param>
/// <param name="MayBeRefused">Its origin refuses now and then: a failure of a pull is the origin's.</param>
internal sealed record ScheduledImage(string Name, TestImage Image, bool MayBeRefused);

/// <summary>
/// Five origins: a good one; one that is slow; one that refuses every seventh request; one that breaks off each blob once, in the middle;
/// and one with a base layer that two of its
/// repositories, and the good origin, have in common.
/// </summary>
internal sealed class ScheduleOrigins : IAsyncDisposable
{
    private const int LayerSize = 600_000;
    private const int BreaksAt = 10 * SendInPieces.PieceSize;

    private readonly int seed;
    private readonly ScriptedOrigin good;
    private readonly ScriptedOrigin slow;
    private readonly ScriptedOrigin refusing;
    private readonly ScriptedOrigin breaking;
    private readonly ScriptedOrigin sharing;
    private readonly TestLayer sharedBase;
    private int requests;
    private int made;

    private ScheduleOrigins(int seed, IReadOnlyList<ScriptedOrigin> origins)
    {
        this.seed = seed * 10_000;
        All = origins;
        (good, slow, refusing, breaking, sharing) = (origins[0], origins[1], origins[2], origins[3], origins[4]);
        sharedBase = TestLayer.Random(this.seed, LayerSize);
        good.Script = sharing.Script = request => request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 1_000_000) : null;
        slow.Script = request => request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 100_000) : null;
        refusing.Script = request => Interlocked.Increment(ref requests) % 7 == 0 ? Misbehave.Answer(503)
            : request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 1_000_000) : null;
        breaking.Script = request => request is { IsBlobDownload: true, Count: 0, Range: null } ? SendInPieces.BreakOffAt(BreaksAt)
            : request.IsBlobDownload ? SendInPieces.Paced(bytesPerSecond: 1_000_000) : null;
    }

    public IReadOnlyList<ScriptedOrigin> All { get; }

    /// <summary>All that have been made, oldest first.</summary>
    public List<ScheduledImage> Images { get; } = [];

    public static async Task<ScheduleOrigins> Start(int seed) =>
        new(seed, await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => ScriptedOrigin.Start())));

    /// <summary>Puts a new image at each of some origins, which nothing has asked for yet. Not thread-safe.</summary>
    public ScheduledImage Make()
    {
        var number = ++made;
        var origin = All[number % All.Count];
        var isShared = origin == sharing || (origin == good && number % 2 == 0);
        var own = TestLayer.Random(seed + number, LayerSize);
        var image = TestImage.Of(isShared ? [sharedBase, own] : [own, TestLayer.Text("number", $"{seed + number}")]);
        var scheduled = new ScheduledImage(origin.Add($"team/app{number % 2}", $"v{number}", image), image, origin == refusing);
        Images.Add(scheduled);
        return scheduled;
    }

    /// <summary>True when the image's origin refused something, so that a pull of it may fail.</summary>
    public bool IsToBlame(PullFailure failure) =>
        failure.Status != 0 && failure.Image.StartsWith(refusing.Host + "/", StringComparison.Ordinal);

    public async ValueTask DisposeAsync()
    {
        foreach (var origin in All)
            await origin.DisposeAsync();
    }
}
