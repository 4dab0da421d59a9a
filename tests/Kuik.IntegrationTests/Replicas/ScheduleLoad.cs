using System.Collections.Concurrent;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>Clients that pull, and background copies, until they are told to end; each ends what it has begun.</summary>
internal sealed class ScheduleLoad(Fleet fleet, ScheduleOrigins origins, PullLog log, int seed)
{
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private volatile bool hasEnded;
    private int pulls;

    /// <summary>Background copies that were given up for a reason that was not the origin's, or did not end.</summary>
    public ConcurrentQueue<string> WrongVerdicts { get; } = new();

    /// <summary>No pull and no copy begins any more.</summary>
    public void End() => hasEnded = true;

    /// <summary>One client: pulls image after image.</summary>
    /// <param name="client">Its number.</param>
    /// <param name="pullsOfAnImage">A new image comes up for each so many pulls of all clients.</param>
    /// <param name="ct">Ends it at once; what has not ended by itself counts as wrong.</param>
    public async Task Pull(int client, int pullsOfAnImage, CancellationToken ct)
    {
        using var node = new NodeClient(fleet, log, seed + client);
        while (!hasEnded)
        {
            var image = NextImage(pullsOfAnImage);
            if (!await node.Pull(image.Name, image.Image, ct))
                await Task.Delay(AfterFailure, ct);
        }
    }

    /// <summary>Copies, one after the other, images that clients may be pulling.</summary>
    public async Task Copy(CancellationToken ct)
    {
        var random = new Random(seed);
        while (!hasEnded)
        {
            var image = NextImage(pullsOfAnImage: 2);
            try
            {
                var outcome = await fleet.Copy(image.Name, random.Next(fleet.Replicas.Count), ct);
                if (outcome.Verdict is { } verdict && !image.MayBeRefused)
                    Note($"copy of {image.Name}: {verdict}");
            }
            catch (OperationCanceledException)
            {
                Note($"copy of {image.Name} did not end");
            }
        }
    }

    private void Note(string wrong)
    {
        WrongVerdicts.Enqueue(wrong);
        log.Note($"WRONG VERDICT {wrong}");
    }

    private ScheduledImage NextImage(int pullsOfAnImage)
    {
        lock (gate)
            return pulls++ % pullsOfAnImage == 0 ? origins.Make() : origins.Images[^1];
    }
}
