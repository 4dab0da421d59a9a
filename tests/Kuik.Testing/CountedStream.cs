namespace Kuik.Testing;

/// <summary>The body of an answer, counting what the connection takes of it.</summary>
internal sealed class CountedStream(Stream body, Action<int> count) : WriteOnlyStream(body)
{
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await Body.WriteAsync(buffer, cancellationToken);
        count(buffer.Length);
    }
}
