using System.Collections.Concurrent;
using System.Globalization;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>
/// 50 clients pull 20 images that nothing has cached through three replicas, from five origins, of which one sends 50 kB/s on each
/// connection. The same is done
/// without the slow origin's images, and with a fifth origin as fast as the others, by turns: how much slower are the pulls from the four
/// others?
/// </summary>
internal static class SlowOriginCase
{
    public const string Name = "50 clients, 20 cold images, 3 replicas, one slow origin of five";

    /// <summary>The subject of the runs without the slow origin.</summary>
    private const string Without = "without the slow origin";

    /// <summary>The subject of the runs in which the fifth origin is as fast as the others: the same work, without the slowness.</summary>
    private const string AsFast = "with a fast fifth origin";

    private const int Clients = 50;
    private const int Replicas = 3;
    private const int QuickOrigins = 4;
    private const int ImagesOfOrigin = 4;
    private const int QuickImagesOfClient = 8;
    private const int SlowImagesOfClient = 2;
    private const int Seed = 20;

    /// <summary>Bytes of each of an image's three layers.</summary>
    private const int LayerSize = 1_000_000;

    private const int BytesInTenth = 5_000;

    public static async Task Run(Results results, int runs)
    {
        CopySuite.Say($"making {Name}");
        var quick = await Task.WhenAll(
            Enumerable.Range(1, QuickOrigins).Select(i => Registry.Start(new RegistryOptions { Name = $"origin-{i}" })));
        await using var slow = await ScriptedOrigin.Start();
        var images = await MakeImages(quick, slow);
        for (var run = 1; run <= runs; run++)
            foreach (var subject in run % 2 == 0 ? new[] { Without, AsFast, Results.Kuik } : [Results.Kuik, AsFast, Without])
            {
                CopySuite.Say($"{Name}: {(subject == Results.Kuik ? "with it" : subject)}, run {run} of {runs}");
                slow.Script = request => subject == Results.Kuik && request is { IsBlobDownload: true, Range: null } ? Trickle : null;
                await Measure(quick, slow, images, subject, results);
            }
        Judge(results);
        foreach (var origin in quick)
            await origin.Stop();
    }

    private static async Task Measure(
        Registry[] quick, ScriptedOrigin slow, IReadOnlyList<PulledImage> images, string subject, Results results)
    {
        // 1. A new cache and new replicas, whose code is compiled by pulls of other images.
        var cache = await Registry.Start(new RegistryOptions { Name = "cache" });
        var replicas = await StartReplicas(cache, [.. quick.Select(origin => origin.Host), slow.Host]);
        var warmUp = images.Where(image => image.IsWarmUp).ToList();
        await Task.WhenAll(replicas.SelectMany(
            replica => warmUp.Select(image => new PullClient(replica.Http).Pull(image.Name, image.Image))));
        var seen = quick.Select(origin => origin.Requests().Count).ToArray();
        var seenOfSlow = slow.Ledger.Count;

        // 2. Each client pulls its images one after the other; those of the slow origin beside them: the others have the same load in both.
        var times = new ConcurrentQueue<(int Origin, double? Seconds)>();
        await Task.WhenAll(Enumerable.Range(0, Clients).SelectMany(number =>
        {
            var random = new Random(Seed + number);
            var client = new PullClient(replicas[number % Replicas].Http);
            var own = Choose(random, images.Where(image => !image.IsSlow && !image.IsWarmUp), QuickImagesOfClient);
            var ofSlow = Choose(random, images.Where(image => image.IsSlow), subject == Without ? 0 : SlowImagesOfClient);
            return new[] { PullAll(client, own, times), PullAll(client, ofSlow, times) };
        }));

        // 3. What came of it.
        Report(results, subject, times, Downloads(quick, seen, slow, seenOfSlow));
        foreach (var replica in replicas)
            await replica.Stop();
        await cache.Stop();
        Directory.Delete(cache.DataFolder, recursive: true);
    }

    private static void Report(
        Results results, string subject, IReadOnlyCollection<(int Origin, double? Seconds)> times, IReadOnlyList<int> downloads)
    {
        void Add(string metric, string unit, double value) => results.Add(CopySuite.Suite, Name, subject, metric, unit, value);

        foreach (var origin in times.GroupBy(time => time.Origin).OrderBy(origin => origin.Key))
        {
            var sorted = origin.Where(time => time.Seconds is not null).Select(time => time.Seconds!.Value).Order().ToList();
            var who = origin.Key > QuickOrigins ? "the fifth origin" : $"origin {origin.Key}";
            Add($"{who}: pull, median", "s", sorted[sorted.Count / 2]);
            Add($"{who}: pull, p99", "s", sorted[(int)((sorted.Count - 1) * 0.99)]);
        }
        var others = times.Where(time => time.Origin <= QuickOrigins && time.Seconds is not null)
            .Select(time => time.Seconds!.Value).Order().ToList();
        Add("four others: pull, median", "s", others[others.Count / 2]);
        Add("four others: pull, p99", "s", others[(int)((others.Count - 1) * 0.99)]);
        Add("failed pulls", "pulls", times.Count(time => time.Seconds is null));
        Add("origin downloads of a blob, most", "downloads", downloads.Max());
        Add("origin downloads of a blob, mean", "downloads", downloads.Average());
    }

    private static void Judge(Results results)
    {
        foreach (var metric in new[] { "four others: pull, median", "four others: pull, p99" })
        {
            var ratio = results.Median(CopySuite.Suite, Name, $"{Results.Kuik}/{AsFast}", metric);
            var shown = ratio.ToString("0.00", CultureInfo.InvariantCulture);
            results.Goal($"{Name}: {metric}, at most 1.1 times that {AsFast}", shown, ratio <= 1.1);
        }
        var most = results.Find(CopySuite.Suite, Name, Results.Kuik, "origin downloads of a blob, most")!.Max;
        results.Goal($"{Name}: each origin sends each blob once", most.ToString("0", CultureInfo.InvariantCulture), most <= 1);
    }

    private static async Task<HostCopyEngine[]> StartReplicas(Registry cache, IReadOnlyList<string> origins)
    {
        var ports = Enumerable.Range(0, Replicas).Select(_ => FreePort.Next()).ToList();
        var peers = string.Join(',', ports.Select(port => $"http://127.0.0.1:{port}"));
        return await Task.WhenAll(ports.Select((port, i) => HostCopyEngine.Start(
            cache, origins, CopyCase.BlobsAtOnce, port, ("Kuik__Fetcher__Peers", peers), ("Kuik__Fetcher__Name", $"image-fetcher-{i}"))));
    }

    private static async Task<List<PulledImage>> MakeImages(Registry[] quick, ScriptedOrigin slow)
    {
        var images = new List<PulledImage>();
        for (var origin = 0; origin <= quick.Length; origin++)
            for (var i = 0; i <= ImagesOfOrigin; i++)
            {
                var isWarmUp = i == ImagesOfOrigin;
                if (isWarmUp && origin == quick.Length)
                    continue;
                var seed = (origin * 100) + (i * 10);
                var size = isWarmUp ? 10_000 : LayerSize;
                var image = TestImage.Of([.. Enumerable.Range(0, 3).Select(layer => TestLayer.Random(seed + layer, size))]);
                var name = origin < quick.Length
                    ? await quick[origin].Push($"team/app{i}", "1", image)
                    : slow.Add($"team/app{i}", "1", image);
                images.Add(new PulledImage(origin + 1, name, image, origin == quick.Length, isWarmUp));
            }
        return images;
    }

    private static PulledImage[] Choose(Random random, IEnumerable<PulledImage> images, int count)
    {
        var all = images.ToArray();
        random.Shuffle(all);
        return all[..count];
    }

    private static async Task PullAll(PullClient client, IReadOnlyList<PulledImage> images, ConcurrentQueue<(int, double?)> times)
    {
        foreach (var image in images)
            times.Enqueue((image.Origin, await client.Pull(image.Name, image.Image)));
    }

    /// <summary>How often each blob was downloaded from its origin, whole or in part.</summary>
    private static List<int> Downloads(Registry[] quick, int[] seen, ScriptedOrigin slow, int seenOfSlow) =>
    [
        .. quick.SelectMany((origin, i) => origin.Requests().Skip(seen[i])
            .Where(request => request is { Method: "GET", Status: 200 or 206 })
            .Where(request => request.Path.Contains("/blobs/", StringComparison.Ordinal))
            .GroupBy(request => request.Path).Select(blob => blob.Count())),
        .. slow.Ledger.Skip(seenOfSlow).Where(request => request.IsBlobDownload)
            .GroupBy(request => request.Path).Select(blob => blob.Count()),
    ];

    /// <summary>50 kB/s.</summary>
    private static async Task Trickle(Microsoft.AspNetCore.Http.HttpContext http, byte[] body)
    {
        http.Response.ContentLength = body.Length;
        for (var at = 0; at < body.Length; at += BytesInTenth)
        {
            await http.Response.Body.WriteAsync(body.AsMemory(at, Math.Min(BytesInTenth, body.Length - at)), http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Task.Delay(100, http.RequestAborted);
        }
    }

    /// <summary>An image at an origin.</summary>
    /// <param name="Origin">1 to 5; 5 is the slow one.</param>
    /// <param name="Name">With its origin.</param>
    /// <param name="Image">The image.</param>
    /// <param name="IsSlow">Of the slow origin.</param>
    /// <param name="IsWarmUp">Pulled before the time is taken.</param>
    private sealed record PulledImage(int Origin, string Name, TestImage Image, bool IsSlow, bool IsWarmUp);
}
