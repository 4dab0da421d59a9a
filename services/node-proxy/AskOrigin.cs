using System.Globalization;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// The origin itself, anonymously, when neither cache nor image-fetcher could answer: what keeps public images pullable with everything of Kuik down.
/// Few blobs at a time, so that a node without an image-fetcher does not use up an origin's patience.
/// </summary>
internal sealed class AskOrigin(RegistryClient origins, ProxySettings settings, Breaker breaker, TimeProvider time, ILogger<AskOrigin> logger) : IPullSource, IDisposable
{
    /// <summary>A failure that took longer than this is not waited for again at once.</summary>
    private static readonly TimeSpan Costly = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _blobs = new(settings.OriginBlobs);

    public string Name => "origin";

    public Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken stop) => Within(image, "MANIFEST_UNKNOWN", async limit =>
    {
        var repository = RegistryRepository.Of(image);

        // Some origins count a GET of a manifest as a pull and a HEAD as nothing.
        if (onlyHead && await origins.HeadManifest(repository, image.Target, null, limit) is { MediaType: { } type, SizeInBytes: { } size } head
            && (head.Digest ?? image.Digest) is { } digest && digest == (image.Digest ?? digest))
            return new Answer.Manifest(digest, type, size, null);
        var manifest = await origins.GetManifest(repository, image.Target, null, limit);
        return new Answer.Manifest(manifest.Digest, manifest.MediaType, manifest.Bytes.Length, manifest.Bytes);
    }, stop);

    public Task<Answer> AskTag(ImageReference image, CancellationToken stop) => AskManifest(image, onlyHead: true, stop);

    public async Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken stop)
    {
        var slot = onlyHead ? null : await Slot.Of(_blobs, stop);
        var call = new RegistryCall(onlyHead ? HttpMethod.Head : HttpMethod.Get, RegistryRepository.Of(image), "blobs/" + image.Digest) { Range = range };
        Answer? answer = null;
        try
        {
            answer = await Within(image, "BLOB_UNKNOWN", async limit => Answer.Blob.Read(await origins.Send(call, limit), range, slot), stop);
            return answer;
        }
        finally
        {
            if (answer is not Answer.Blob)
                slot?.Dispose();
        }
    }

    public void Dispose() => _blobs.Dispose();

    private async Task<Answer> Within(ImageReference image, string unknown, Func<CancellationToken, Task<Answer>> ask, CancellationToken stop)
    {
        var key = "origin " + image.Host;
        if (!breaker.MayAsk(key))
            return new Answer.Passed("passed over: it did not answer a moment ago", IsSilent: true);
        var begun = time.GetTimestamp();
        using var tooLate = new CancellationTokenSource(settings.OriginLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, tooLate.Token);
        string why;
        try
        {
            var answer = await ask(either.Token);
            breaker.Close(key);
            return answer;
        }
        catch (RegistryError error) when (error.Kind is not RegistryErrorKind.Unreachable)
        {
            breaker.Close(key);
            return Verdict(error, unknown);
        }
        catch (RegistryError unreachable)
        {
            why = unreachable.Message;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            why = $"it did not answer within {settings.OriginLimit.TotalSeconds} s";
        }
        if (time.GetElapsedTime(begun) >= Costly && breaker.Trip(key))
            logger.LogWarning("origin {Origin} is passed over for now: {Why}", image.Host, why);
        return new Answer.Passed(why, IsSilent: true);
    }

    /// <summary>What an origin's refusal is to the client. Only the statuses that clients act on pass; the rest is a bad gateway.</summary>
    public static Answer.Refused Verdict(RegistryError error, string unknown)
    {
        var (status, code) = (error.Kind, (int?)error.Status) switch
        {
            (RegistryErrorKind.Gone, _) => (404, unknown),
            (RegistryErrorKind.Refused, 403) => (403, "DENIED"),
            (RegistryErrorKind.Refused, _) => (401, "UNAUTHORIZED"),
            (RegistryErrorKind.RateLimited, _) => (429, "TOOMANYREQUESTS"),
            (_, 416) => (416, "RANGE_INVALID"),
            _ => (502, "UNAVAILABLE"),
        };
        var wait = error.RetryAfter is { } retry ? ((long)Math.Ceiling(retry.TotalSeconds)).ToString(CultureInfo.InvariantCulture) : null;
        return new Answer.Refused(status, RegistryErrors.Body(code, $"the origin: {error.Message}"), wait);
    }

    private sealed class Slot(SemaphoreSlim slots) : IDisposable
    {
        private int _isReleased;

        public static async Task<Slot> Of(SemaphoreSlim slots, CancellationToken stop)
        {
            await slots.WaitAsync(stop);
            return new Slot(slots);
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReleased, 1) == 0)
                slots.Release();
        }
    }
}
