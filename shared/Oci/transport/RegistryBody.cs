using Kuik.Hosting;

namespace Kuik.Oci;

/// <summary>
/// The body of an answer as it arrives. A stall is noticed by lack of progress, never by total time; every fault is a
/// <see cref="RegistryException"/>.
/// </summary>
internal sealed class RegistryBody(Stream body, HttpResponseMessage answer, Uri address, TimeSpan stall, TimeProvider time)
    : ForwardStream
{
    /// <summary>All of a body; null when it has more bytes than <paramref name="most"/>.</summary>
    public static async Task<byte[]?> ReadAtMost(Stream body, int most, CancellationToken ct)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[32 * 1024];
        int got;
        while ((got = await body.ReadAsync(buffer, ct)) > 0)
        {
            if (bytes.Length + got > most)
                return null;
            bytes.Write(buffer, 0, got);
        }
        return bytes.ToArray();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var deadline = new CancellationTokenSource(stall, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await body.ReadAsync(buffer, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException(RegistryErrorKind.Unreachable,
                $"GET {RegistryException.Show(address)}: no byte came for {stall.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new RegistryException(RegistryErrorKind.Broken,
                $"GET {RegistryException.Show(address)}: the answer broke off: {e.Message}", inner: e);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            answer.Dispose();
        base.Dispose(disposing);
    }
}
