using Kuik.IntegrationTests.CopyEngine;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>
/// Two replicas, and a third that may join; one image, an origin and a cache that hold still in the middle of a phase until they are let
/// go.
/// </summary>
internal sealed class StopScene : IAsyncDisposable
{
    /// <summary>How much of a blob has been sent when the origin holds still, in bytes.</summary>
    public const int HeldAt = 20 * SendInPieces.PieceSize;

    public static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CutFront front;

    private StopScene(StopPhase phase, ScriptedOrigin origin, CutFront front, Fleet fleet)
    {
        (Phase, Origin, this.front, Fleet) = (phase, origin, front, fleet);
        Name = origin.Add("team/web", "1", Image);
        origin.Script = Script;
        if (phase == StopPhase.CacheUpload)
            front.HoldUntil(gate.Task, IsUpload);
    }

    public StopPhase Phase { get; }

    public ScriptedOrigin Origin { get; }

    public Fleet Fleet { get; }

    public TestImage Image { get; } =
        TestImage.Of([.. Enumerable.Range(0, 3).Select(i => TestLayer.Random(6001 + i, 1_000_000 - 100_000 * i))]);

    public string Name { get; }

    public PullLog Log { get; } = new();

    /// <summary>The start of the replica that joins.</summary>
    public Task Joining { get; private set; } = Task.CompletedTask;

    public static async Task<StopScene> Start(StopPhase phase)
    {
        var origin = await ScriptedOrigin.Start();
        var cache = await Registry.Start();
        var front = await CutFront.Start($"http://{cache.Host}");
        var settings = new Dictionary<string, string>
        {
            ["Kuik:Cache:Endpoint"] = front.Endpoint,
            ["Kuik:Fetch:DrainLimit"] = DrainLimit.ToString("c"),
        };
        if (phase == StopPhase.WaitingForTurn)
            (settings["Kuik:Fetch:MaxConcurrentBlobs"], settings["Kuik:Fetch:MaxConcurrentPerHost"]) = ("1", "1");
        var fleet = await Fleet.Start(new FleetOptions(cache, [origin.Host]) { Settings = settings }, running: 2);
        return new StopScene(phase, origin, front, fleet);
    }

    /// <summary>A pull of the image by one client, or a background copy of it, as the phase has it.</summary>
    /// <returns>The problem; null for none.</returns>
    public async Task<string?> Use(CancellationToken ct)
    {
        if (Phase is StopPhase.WaitingForTurn or StopPhase.MidBodyWithCopy or StopPhase.CacheUpload)
            return await Fleet.Copy(Name, first: 0, ct) is { IsCopied: false, Verdict: var verdict } ? verdict : null;
        using var client = new NodeClient(Fleet, Log, seed: 1);
        return await client.Pull(Name, Image, ct) ? null : Log.Timeline;
    }

    /// <summary>Waits until the phase is reached.</summary>
    /// <returns>The replica in the middle of it.</returns>
    public async Task<Replica> Reached()
    {
        Replica? busy = null;
        await Eventually.True(() => (busy = Busy()) is not null, $"{Phase} is reached");
        if (Phase == StopPhase.PeerJoins)
            Joining = Fleet.Replicas[2].Start();
        return busy!;
    }

    /// <summary>Releases held transfers.</summary>
    public void LetGo() => gate.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        LetGo();
        await Fleet.DisposeAsync();
        await front.DisposeAsync();
        await Origin.DisposeAsync();
    }

    private Replica? Busy()
    {
        var held = Origin.Ledger.Where(IsHeld).ToList();
        if (Phase == StopPhase.CacheUpload)
            return Fleet.Running.FirstOrDefault(replica => replica.SpooledFiles().Any(IsWhole));
        if (held.Count == 0 || (IsMidBody && held[0].Sent < HeldAt))
            return null;
        return Fleet.Running.FirstOrDefault(replica => replica.HasConnection(held[0].ClientPort));
    }

    private static bool IsUpload(HttpRequest request) =>
        request.Method is "PUT" or "PATCH" && request.Path.Value!.Contains("/blobs/uploads/", StringComparison.Ordinal);

    private bool IsWhole(string file) => Image.Layers.Any(layer => layer.Bytes.Length == new FileInfo(file).Length);

    private bool IsMidBody =>
        Phase is StopPhase.WaitingForTurn or StopPhase.MidBodyWithClient or StopPhase.MidBodyWithCopy or StopPhase.PeerJoins;

    // Only the first request for each is held: the replica that takes over is served at once.
    private bool IsHeld(OriginRequest request) => request is { Count: 0, Method: "GET" } && Phase switch
    {
        StopPhase.BeforeManifest => request.Path.EndsWith("/manifests/1", StringComparison.Ordinal),
        StopPhase.CacheUpload => false,
        _ => request.IsBlobDownload && Image.Layers.Any(layer => layer.Digest == request.Target),
    };

    private Misbehaviour? Script(OriginRequest request) => !IsHeld(request) ? null
        : Phase == StopPhase.BeforeManifest ? Misbehave.Delay(gate.Task, Image.MediaType)
        : Phase == StopPhase.BeforeBlobHead
            ? SendInPieces.Each((_, _) => Task.CompletedTask, http => gate.Task.WaitAsync(http.RequestAborted))
        : SendInPieces.HoldAt(HeldAt, gate.Task);
}
