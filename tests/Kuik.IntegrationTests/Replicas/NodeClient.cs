using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>
/// Pulls images from the replicas of a fleet as a node-proxy does: any replica; 202 is asked again; one that drains, refuses the
/// connection or is silent is passed over; a body that breaks off
/// is continued at another one. Every byte is compared with the image's.
/// </summary>
internal sealed class NodeClient(Fleet fleet, PullLog log, int seed) : IDisposable
{
    /// <summary>On a 503: this replica is stopping, another one takes the request.</summary>
    public const string DrainingHeader = "Kuik-Draining";

    /// <summary>How long a client may be without a byte: node-proxy's <c>FetcherPatience</c>.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(55);

    /// <summary>Twice what node-proxy allows: the machine of a test is busier than a node.</summary>
    private static readonly TimeSpan HeadLimit = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ReadLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    private readonly Random random = new(seed);
    private readonly HttpClient http = new(new SocketsHttpHandler
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(1.5),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Pulls an image: the manifest, then its blobs, three at a time.</summary>
    /// <returns>True when all of it came.</returns>
    public async Task<bool> Pull(string image, TestImage expected, CancellationToken ct)
    {
        var reference = ImageReference.Parse(image);
        if (!await Get(image, $"manifests/{reference.Target}", expected.Bytes, ct))
            return false;
        var isWhole = true;
        var threeAtOnce = new ParallelOptions { MaxDegreeOfParallelism = 3, CancellationToken = ct };
        await Parallel.ForEachAsync(expected.Blobs, threeAtOnce, async (blob, ct) =>
        {
            if (!await Get(image, $"blobs/{blob.Digest}", blob.Bytes, ct))
                isWhole = false;
        });
        if (isWhole)
            log.Pulled();
        return isWhole;
    }

    /// <summary>Gets one manifest or blob.</summary>
    /// <returns>True when all of it came; else the log says why not.</returns>
    public async Task<bool> Get(string image, string path, byte[] expected, CancellationToken ct)
    {
        var transfer = new Transfer(image, path, expected);
        Replica? replica = null;
        while (true)
        {
            var waited = transfer.SinceProgress;
            log.Waited(waited, $"{path} of {image}");
            if (waited > Bound)
            {
                log.Fail(new PullFailure(image, 0,
                    $"{transfer}: no byte for {waited.TotalSeconds:0} s, {transfer.Got} of {expected.Length}; last: {transfer.Last}"));
                return false;
            }
            replica ??= Choose(transfer.Avoid);
            var asked = Stopwatch.GetTimestamp();
            var step = replica is null ? Step.Elsewhere : await Try(replica, transfer, ct);
            if (step is Step.Done or Step.Failed)
                return step == Step.Done;
            if (step == Step.Elsewhere)
                (transfer.Avoid, replica) = (replica, null);
            if (Stopwatch.GetElapsedTime(asked) is var took && took < Pace)
                await Task.Delay(Pace - took, ct);
        }
    }

    public void Dispose() => http.Dispose();

    private async Task<Step> Try(Replica replica, Transfer transfer, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(HeadLimit);
        try
        {
            var path = $"/v2/{CachePath.Of(ImageReference.Parse(transfer.Image))}/{transfer.Path}";
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(replica.Address, path));
            request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Manifests);
            request.Headers.Range = transfer.Got > 0 ? new RangeHeaderValue(transfer.Got, null) : null;
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            switch (answer.StatusCode)
            {
                case HttpStatusCode.OK or HttpStatusCode.PartialContent:
                    return await Read(answer, replica, transfer, limit);
                case HttpStatusCode.Accepted when answer.Headers.Contains(PullThrough.WorkingHeader):
                    transfer.Last = $"{replica.Name} is working";
                    return Step.Again;
                case HttpStatusCode.ServiceUnavailable when answer.Headers.Contains(DrainingHeader):
                    transfer.Last = $"{replica.Name} is draining";
                    return Step.Elsewhere;
                default:
                    var said = await answer.Content.ReadAsStringAsync(limit.Token);
                    var status = (int)answer.StatusCode;
                    log.Fail(new PullFailure(transfer.Image, status, $"{transfer}: {replica.Name} answered {status} {said}"));
                    return Step.Failed;
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException
            || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            transfer.Last = $"{replica.Name}: {e.Message}";
            return Step.Elsewhere;
        }
    }

    private async Task<Step> Read(HttpResponseMessage answer, Replica replica, Transfer transfer, CancellationTokenSource limit)
    {
        await using var body = await answer.Content.ReadAsStreamAsync(limit.Token);
        var buffer = new byte[64 << 10];
        var at = answer.StatusCode == HttpStatusCode.PartialContent ? answer.Content.Headers.ContentRange!.From!.Value : 0;
        while (true)
        {
            limit.CancelAfter(ReadLimit);
            var got = await body.ReadAsync(buffer, limit.Token);
            if (got == 0)
                break;
            if (at + got > transfer.Expected.Length || !transfer.Expected.AsSpan((int)at, got).SequenceEqual(buffer.AsSpan(0, got)))
            {
                log.FoundWrong($"{transfer}: {replica.Name} sent other bytes from {at} on");
                return Step.Failed;
            }
            at += got;
            if (at > transfer.Got)
                log.Waited(transfer.Progress(at), transfer.ToString());
        }
        if (at == transfer.Expected.Length)
            return Step.Done;
        log.FoundWrong($"{transfer}: {replica.Name} ended it cleanly after {at} of {transfer.Expected.Length} bytes");
        return Step.Failed;
    }

    private Replica? Choose(Replica? avoid)
    {
        var running = fleet.Running.ToList();
        if (running.Count > 1)
            running.RemoveAll(replica => replica == avoid);
        lock (random)
            return running.Count == 0 ? null : running[random.Next(running.Count)];
    }

    private enum Step
    {
        Done,
        Failed,
        Again,
        Elsewhere,
    }

    private sealed class Transfer(string image, string path, byte[] expected)
    {
        private long moved = Stopwatch.GetTimestamp();

        public string Image => image;

        public string Path => path;

        public byte[] Expected => expected;

        public long Got { get; private set; }

        public Replica? Avoid { get; set; }

        public string Last { get; set; } = "no replica runs";

        public TimeSpan SinceProgress => Stopwatch.GetElapsedTime(moved);

        public override string ToString() => $"{path} of {image}";

        /// <summary>Notes how far it is.</summary>
        /// <returns>How long it had not moved.</returns>
        public TimeSpan Progress(long at)
        {
            var waited = SinceProgress;
            (Got, moved) = (at, Stopwatch.GetTimestamp());
            return waited;
        }
    }
}
