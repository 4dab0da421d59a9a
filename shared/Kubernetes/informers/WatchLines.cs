using System.Buffers;
using System.IO.Pipelines;

namespace Kuik.Kubernetes;

/// <summary>Splits the body of a watch into its lines, without copying them.</summary>
internal static class WatchLines
{
    /// <summary>The lines as they arrive; each is valid until the next one is requested. Ends when the server ends the watch.</summary>
    public static async IAsyncEnumerable<ReadOnlySequence<byte>> Read(
        Stream body, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var pipe = PipeReader.Create(body);
        try
        {
            while (true)
            {
                var read = await pipe.ReadAsync(ct);
                var rest = read.Buffer;
                while (rest.PositionOf((byte)'\n') is { } end)
                {
                    yield return rest.Slice(0, end);
                    rest = rest.Slice(rest.GetPosition(1, end));
                }
                pipe.AdvanceTo(rest.Start, rest.End);
                if (read.IsCompleted)
                    yield break;   // an incomplete line at the end is ignored
            }
        }
        finally
        {
            await pipe.CompleteAsync();
        }
    }
}
