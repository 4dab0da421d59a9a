using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// The origin itself, anonymously, when neither cache nor image-fetcher could answer: public images can be pulled while all other parts of
/// Kuik are down. Few blobs at a time of each origin, so that a node without an image-fetcher does not exhaust an origin's rate limit. HEAD
/// is a hint: after any status except a usable 200 or a 429, the request is repeated with GET.
/// </summary>
internal sealed class OriginSource(RegistryClient origins, ProxyOptions options, CircuitBreaker circuitBreaker, TimeProvider time,
    ILogger<OriginSource> logger)
    : IPullSource
{
    /// <summary>Requests whose answers are small, at a time: for one host, and in total.</summary>
    private const int MostQuestions = 16;
    private const int MostQuestionsInTotal = 128;

    /// <summary>All that a client is told of a host inside the network: refused, silent and another protocol would tell a port scan
    /// apart.</summary>
    private const string SaidOfPrivateHosts =
        "is on a private network and did not answer as a registry does; node-proxy's log has the cause";

    /// <summary>A failure that took longer than this is not waited for again at once.</summary>
    private static readonly TimeSpan Costly = TimeSpan.FromSeconds(1);

    private readonly OriginLimiter _blobs = new(options.OriginBlobs, options.MostOriginBlobs, options.OriginWait, time);
    private readonly OriginLimiter _questions = new(MostQuestions, MostQuestionsInTotal, options.OriginWait, time);

    public string Name => "origin";

    public Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct) =>
        Question(image, "MANIFEST_UNKNOWN", limit => GetManifest(image, onlyHead, limit), ct);

    private async Task<Answer> GetManifest(ImageReference image, bool onlyHead, CancellationToken ct)
    {
        // Some origins count a GET of a manifest as a pull and a HEAD as nothing.
        if (onlyHead && await Hint(hint => HeadManifest(image, hint), ct) is { } head)
            return head;
        var manifest = await origins.GetManifest(RegistryRepository.From(image), image.Target, null, ct);
        return new Answer.ManifestAnswer(manifest.Digest, manifest.MediaType, manifest.Bytes.Length, manifest.Bytes);
    }

    public Task<Answer> AskTag(ImageReference image, CancellationToken ct) => AskManifest(image, onlyHead: true, ct);

    /// <summary>By the API, else under the tag that stands in for it (distribution-spec, "Referrers Tag Schema").</summary>
    public async Task<Answer> AskReferrers(ImageReference image, CancellationToken ct)
    {
        var byApi = await Question(image, "MANIFEST_UNKNOWN", async limit =>
            await origins.GetReferrers(RegistryRepository.From(image), image.Digest!, null, limit) is { } list
                ? new Answer.ManifestAnswer(list.Digest, list.MediaType, list.Bytes.Length, list.Bytes)
                : new Answer.Passed("it has no such API"), ct);
        if (byApi is not (Answer.Refused { Status: 404 } or Answer.Passed { IsSilent: false })
            || CacheTags.OfReferrers(image.Digest!) is not [var tag, ..])
            return byApi;
        return await AskManifest(image.With(tag), onlyHead: false, ct) switch
        {
            Answer.ManifestAnswer { Bytes: { } bytes } when !ReferrersEndpoint.IsList(bytes) =>
                new Answer.Passed("its referrers tag is no index"),
            var other => other,
        };
    }

    /// <summary>A page of a repository's tags: <see cref="Answer.Tags"/>.</summary>
    /// <param name="image">Of the repository.</param>
    /// <param name="query">Of the page, with its question mark; empty for the first one.</param>
    /// <param name="ct">The client is gone.</param>
    public Task<Answer> AskTags(ImageReference image, string query, CancellationToken ct) =>
        Question(image, "NAME_UNKNOWN", limit => GetTags(image, query, limit), ct);

    private async Task<Answer> GetTags(ImageReference image, string query, CancellationToken ct)
    {
        using var answer = await origins.Send(new RegistryCall(HttpMethod.Get, RegistryRepository.From(image), "tags/list" + query), ct);
        using var read = new BodyReader(options.NoProgressLimit, time, ct);
        try
        {
            return await read.Whole(answer, TagListEndpoint.LargestList) is { } list
                ? new Answer.Tags(TagListEndpoint.ReadPage(list, answer.Headers.TryGetValues("Link", out var links) ? links.First() : null))
                : new Answer.Passed("its list is too long", IsSilent: true);
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidOperationException)
        {
            return new Answer.Passed($"its list cannot be read ({e.Message})", IsSilent: true);
        }
    }

    public async Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct)
    {
        if (onlyHead)
            return await Question(image, "BLOB_UNKNOWN",
                async limit => await Hint(hint => HeadBlob(image, range, hint), limit) ?? await GetBlob(image, range, null, limit), ct);

        if (await _blobs.Enter(image.Host, ct) is not { } slot)
            return Busy(image);
        Answer? answer = null;
        try
        {
            answer = await Within(image, "BLOB_UNKNOWN", limit => GetBlob(image, range, slot, limit), ct);
            return answer;
        }
        finally
        {
            if (answer is not Answer.Blob)
                slot.Dispose();
        }
    }

    /// <summary>Asks something whose answer is small.</summary>
    /// <param name="image">Selects the origin.</param>
    /// <param name="unknown">Error code of the distribution specification for a 404.</param>
    /// <param name="ask">Cancelled when the origin takes too long.</param>
    /// <param name="ct">The client is gone.</param>
    private async Task<Answer> Question(
        ImageReference image, string unknown, Func<CancellationToken, Task<Answer>> ask, CancellationToken ct)
    {
        using var slot = await _questions.Enter(image.Host, ct);
        return slot is null ? Busy(image) : await Within(image, unknown, ask, ct);
    }

    private async Task<Answer> GetBlob(ImageReference image, RangeHeaderValue? range, IDisposable? slot, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Get, RegistryRepository.From(image), "blobs/" + image.Digest) { Range = range };
        return Answer.Blob.From(await origins.Send(call, ct), range, slot) is Answer.Blob blob
            ? blob with { MinRate = options.OriginRate }
            : new Answer.Passed(Answer.Blob.AnotherPart);
    }

    private async Task<Answer?> HeadBlob(ImageReference image, RangeHeaderValue? range, CancellationToken ct)
    {
        var call = new RegistryCall(HttpMethod.Head, RegistryRepository.From(image), "blobs/" + image.Digest) { Range = range };
        var answer = await origins.Send(call, ct);
        if (answer.Content.Headers.ContentLength > 0 && Answer.Blob.From(answer, range) is Answer.Blob blob)
            return blob;
        answer.Dispose();
        return null;
    }

    private async Task<Answer?> HeadManifest(ImageReference image, CancellationToken ct) =>
        await origins.HeadManifest(RegistryRepository.From(image), image.Target, null, ct)
            is { MediaType: { } type, SizeInBytes: > 0 and { } size } head
        && MediaTypes.Manifests.Contains(type, StringComparer.OrdinalIgnoreCase)
        && (head.Digest ?? image.Digest) is { } digest && ImageReference.IsDigest(digest) && digest == (image.Digest ?? digest)
            ? new Answer.ManifestAnswer(digest, type, size, null)
            : null;

    /// <summary>Asks with HEAD, for a part of the time only; null when that says nothing: the GET that follows finds out why.</summary>
    private async Task<Answer?> Hint(Func<CancellationToken, Task<Answer?>> ask, CancellationToken ct)
    {
        using var tooLate = new CancellationTokenSource(options.OriginLimit / 3, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, tooLate.Token);
        try
        {
            return await ask(either.Token);
        }
        catch (RegistryException error) when (error.Kind is not RegistryErrorKind.RateLimited)
        {
            return null;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return null;
        }
    }

    private async Task<Answer> Within(ImageReference image, string unknown, Func<CancellationToken, Task<Answer>> ask,
        CancellationToken ct)
    {
        var key = "origin " + image.Host;
        if (!circuitBreaker.MayAsk(key))
            return Failed("passed over: it did not answer a moment ago");
        var (begun, asked) = (time.GetTimestamp(), time.GetUtcNow());
        using var tooLate = new CancellationTokenSource(options.OriginLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, tooLate.Token);
        string why;
        try
        {
            var answer = await ask(either.Token);
            circuitBreaker.Close(key);
            return answer;
        }
        catch (RegistryException error) when (error.Kind is not RegistryErrorKind.Unreachable)
        {
            circuitBreaker.Close(key);
            return Verdict(error, unknown) is { } refused ? refused : Failed(error.Message);
        }
        catch (RegistryException unreachable)
        {
            why = unreachable.Message;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            why = $"it did not answer within {options.OriginLimit.TotalSeconds} s";
        }
        if (time.GetElapsedTime(begun) >= Costly && circuitBreaker.Trip(key, asked))
            logger.LogWarning("origin {Origin} is passed over for now: {Why}", image.Host, why);
        return Failed(why);

        Answer Failed(string cause) => origins.IsOnPrivateNetwork(image.Host)
            ? new Answer.Passed($"{image.Host} {SaidOfPrivateHosts}", IsSilent: true) { Detail = cause }
            : new Answer.Passed(cause, IsSilent: true);
    }

    /// <summary>
    /// The refusal that the client gets for an origin's answer: the statuses that clients act on. Null for anything else,
    /// which is no answer to what was asked.
    /// </summary>
    public static Answer.Refused? Verdict(RegistryException error, string unknown)
    {
        (int Status, string Code)? verdict = (error.Kind, (int?)error.Status) switch
        {
            (RegistryErrorKind.Gone, _) => (404, unknown),
            (RegistryErrorKind.Refused, 403) => (403, "DENIED"),
            (RegistryErrorKind.Refused, _) => (401, "UNAUTHORIZED"),
            (RegistryErrorKind.RateLimited, _) => (429, "TOOMANYREQUESTS"),
            (_, 416) => (416, "RANGE_INVALID"),
            _ => null,
        };
        var wait = error.RetryAfter is { } retry ? ((long)Math.Ceiling(retry.TotalSeconds)).ToString(CultureInfo.InvariantCulture) : null;
        return verdict is var (status, code)
            ? new Answer.Refused(status, RegistryErrors.Body(code, $"the origin: {error.Message}"), wait)
            : null;
    }

    private Answer.Refused Busy(ImageReference image) => new(503, RegistryErrors.Body("UNAVAILABLE",
        $"too many transfers from {image.Host} are under way on this node: none ended within {options.OriginWait.TotalSeconds} s"), "5");
}
