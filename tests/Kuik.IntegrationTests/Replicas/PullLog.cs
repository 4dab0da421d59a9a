using System.Collections.Concurrent;
using System.Diagnostics;

namespace Kuik.IntegrationTests.Replicas;

/// <summary>A pull that ended without the image.</summary>
/// <param name="Image">Its name.</param>
/// <param name="Status">HTTP's, of the answer that ended it; 0 when there was none.</param>
/// <param name="Message">The request and its response.</param>
internal sealed record PullFailure(string Image, int Status, string Message);

/// <summary>The observations of clients.</summary>
internal sealed class PullLog
{
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly ConcurrentQueue<(TimeSpan At, string What)> timeline = new();
    private readonly Lock gate = new();
    private int pulls;

    /// <summary>The longest time that a client was without a byte, and what it waited for.</summary>
    public (TimeSpan Time, string For) LongestWait { get; private set; }

    public ConcurrentQueue<PullFailure> Failures { get; } = new();

    /// <summary>Bytes that were not those of the image.</summary>
    public ConcurrentQueue<string> WrongBytes { get; } = new();

    /// <summary>Images that came whole.</summary>
    public int Pulls => Volatile.Read(ref pulls);

    /// <summary>The events, one line each with the seconds since the beginning.</summary>
    public string Timeline => string.Join('\n', timeline.Select(line => $"{line.At.TotalSeconds,7:0.00} {line.What}"));

    public void Note(string what) => timeline.Enqueue((clock.Elapsed, what));

    public void Pulled() => Interlocked.Increment(ref pulls);

    public void Waited(TimeSpan time, string what)
    {
        lock (gate)
            if (time > LongestWait.Time)
                LongestWait = (time, what);
    }

    public void Fail(PullFailure failure)
    {
        Failures.Enqueue(failure);
        Note($"FAILED {failure.Message}");
    }

    public void FoundWrong(string what)
    {
        WrongBytes.Enqueue(what);
        Note($"WRONG BYTES {what}");
    }
}
