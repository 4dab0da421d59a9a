using Kuik.Hosting;

namespace Kuik.Kubernetes;

/// <summary>A response body with a time limit for each read.</summary>
/// <param name="body">The body; disposed with this.</param>
/// <param name="silence">The time limit of a read.</param>
/// <param name="asked">The request, for the exception.</param>
/// <param name="time">The clock.</param>
internal sealed class ProgressStream(Stream body, TimeSpan silence, string asked, TimeProvider time) : ForwardStream
{
    /// <exception cref="HttpRequestException">The time limit was exceeded.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var deadline = new CancellationTokenSource(silence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            return await body.ReadAsync(buffer, either.Token);
        }
        catch (Exception) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new HttpRequestException(HttpRequestError.ResponseEnded, $"{asked}: the answer stopped for {silence.TotalSeconds:0} s");
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            body.Dispose();
        base.Dispose(disposing);
    }
}
