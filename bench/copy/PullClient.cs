using System.Diagnostics;
using System.Net;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.Bench.Copy;

/// <summary>Pulls images through image-fetcher as node-proxy does: asks again on 202, three blobs at a time, as containerd does.</summary>
/// <param name="replica">A client of one replica.</param>
internal sealed class PullClient(HttpClient replica)
{
    private const int BlobsAtOnce = 3;
    private const int MaxAttempts = 3;

    /// <summary>As node-proxy's pace.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    /// <summary>Pulls an image by its tag.</summary>
    /// <param name="name">Its name at its origin.</param>
    /// <param name="image">The expected image.</param>
    /// <returns>Seconds from the first request to the last byte; null when it could not be pulled.</returns>
    public async Task<double?> Pull(string name, TestImage image)
    {
        var started = Stopwatch.GetTimestamp();
        var path = CachePath.Of(ImageReference.Parse(name));
        if (!await Read($"/v2/{path}/manifests/1", image.Bytes.Length))
            return null;
        var isComplete = true;
        await Parallel.ForEachAsync(image.Blobs, new ParallelOptions { MaxDegreeOfParallelism = BlobsAtOnce }, async (blob, _) =>
        {
            if (!await Read($"/v2/{path}/blobs/{blob.Digest}", blob.Bytes.Length))
                isComplete = false;
        });
        return isComplete ? Stopwatch.GetElapsedTime(started).TotalSeconds : null;
    }

    private async Task<bool> Read(string path, int size)
    {
        for (var attempt = 1; attempt <= MaxAttempts; attempt++)
            try
            {
                using var answer = await Ask(path);
                if (answer.StatusCode != HttpStatusCode.OK)
                    continue;
                await using var body = await answer.Content.ReadAsStreamAsync();
                if (await Length(body) == size)
                    return true;
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                // Broken off: asked again, as node-proxy does.
            }
        return false;
    }

    private async Task<HttpResponseMessage> Ask(string path)
    {
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative));
            request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Manifests);
            var asked = Stopwatch.GetTimestamp();
            var answer = await replica.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            if (answer.StatusCode != HttpStatusCode.Accepted || !answer.Headers.Contains(PullThrough.WorkingHeader))
                return answer;
            answer.Dispose();
            if (Stopwatch.GetElapsedTime(asked) is var took && took < Pace)
                await Task.Delay(Pace - took);
        }
    }

    private static async Task<long> Length(Stream body)
    {
        var buffer = new byte[128 * 1024];
        var length = 0L;
        for (int got; (got = await body.ReadAsync(buffer)) > 0;)
            length += got;
        return length;
    }
}
