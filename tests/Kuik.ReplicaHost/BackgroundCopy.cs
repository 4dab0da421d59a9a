using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ReplicaHost;

/// <summary>
/// <c>POST /copy?image=NAME</c>: copies an image as an announcement on the bus would have it. Answers when it is done: 200 with the
/// digest; 502 with <c>kind message</c>, what would be recorded about the image; 503 when the copy was given up without a verdict, so that
/// another replica takes it. Distribution 2.8 answers 500 now and then while two replicas write the same blob: that is tried again, as
/// the service does.
/// </summary>
internal static class BackgroundCopy
{
    public static void Map(WebApplication app) => app.MapPost("/copy", Copy);

    private static async Task<IResult> Copy(string image, ImageCopier copy, IHostApplicationLifetime lifetime)
    {
        try
        {
            // The service gives its claim on an image back at SIGTERM; the end of this request, which stands for an announcement, changes
            // nothing.
            return Results.Text((await copy.Copy(ImageReference.Parse(image), lifetime.ApplicationStopping)).Digest);
        }
        catch (CopyException e) when (e is { Kind: CopyException.Stopping } or { Kind: CopyException.Cache, RetryHelps: true })
        {
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
        catch (CopyException e)
        {
            return Results.Text($"{e.Kind} {e.Message}", statusCode: StatusCodes.Status502BadGateway);
        }
        catch (OperationCanceledException)
        {
            return Results.StatusCode(StatusCodes.Status503ServiceUnavailable);
        }
    }
}
