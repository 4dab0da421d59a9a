using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// image-fetcher, which pulls from the origin with the right credentials, once for all nodes, and keeps what it pulls. It answers within a
/// second, or says with 202 that it is working and is asked again. An answer of the origin (401, 403, 404, 416, 429) is final. That it
/// cannot reach an origin (502, 504) is not: it may have another
/// DNS, proxy or network policy than the node. Then, and where it is unreachable, silent or unable, the next source is asked.
/// </summary>
internal sealed class FetcherSource(SourceEndpoint fetcher, ProxyOptions options, TimeProvider time) : IPullSource
{
    /// <summary>The header of a 202 that means: ask again.</summary>
    public const string Working = "Kuik-Working";

    /// <summary>The header of a 503 of a replica that is stopping: another one takes the next connection.</summary>
    public const string Draining = "Kuik-Draining";

    /// <summary>On a question for a tag: how old the answer may be, in seconds, counted from when the origin gave it.</summary>
    public const string Fresh = "Kuik-Fresh";

    /// <summary>Longest body of an error that is passed on, in bytes.</summary>
    private const int LargestError = 64 << 10;
    private const int LargestManifest = 8 << 20;

    /// <summary>An image-fetcher that answers 202 faster than this is not asked at once again.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a stopping replica may be all that is found: endpoints of a Service change seconds after the signal.</summary>
    private static readonly TimeSpan DrainingPatience = TimeSpan.FromSeconds(10);

    public string Name => "fetcher";

    public bool HasReplicas => true;

    public Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct) =>
        AskManifest(image, onlyHead, fresh: null, ct);

    public Task<Answer> AskTag(ImageReference image, CancellationToken ct) =>
        AskManifest(image, onlyHead: true, options.TagFreshness / 2, ct);

    /// <summary>
    /// It has no such API; but the list may be under the tag that stands in for it, which it can ask for with credentials.
    /// </summary>
    public async Task<Answer> AskReferrers(ImageReference image, CancellationToken ct)
    {
        if (CacheTags.OfReferrers(image.Digest!) is not [var tag, ..])
            return new Answer.Passed("cannot say");
        return await AskManifest(image.With(tag), onlyHead: false, ct) switch
        {
            Answer.ManifestAnswer { Bytes: { } bytes } list when ReferrersEndpoint.IsList(bytes) => list,
            Answer.ManifestAnswer => new Answer.Passed("what it has under the referrers tag is no index"),
            Answer.Refused { Status: not 429 } refused => new Answer.Passed($"it answered {refused.Status}"),
            var other => other,
        };
    }

    private async Task<Answer> AskManifest(ImageReference image, bool onlyHead, TimeSpan? fresh, CancellationToken ct)
    {
        var (response, otherwise) = await Ask($"manifests/{image.Target}", image, onlyHead, null, ct, fresh);
        if (response is null)
            return otherwise!;
        using (response)
        using (var read = new BodyReader(options.NoProgressLimit, time, ct))
        {
            var type = response.Content.Headers.ContentType?.MediaType ?? MediaTypes.OciManifest;
            var named = response.Headers.TryGetValues("Docker-Content-Digest", out var values) ? values.First() : null;
            if (onlyHead)
            {
                var digest = image.Digest ?? named;
                return digest is not null && ImageReference.IsDigest(digest) && response.Content.Headers.ContentLength is { } size
                    ? new Answer.ManifestAnswer(digest, type, size, null)
                    : new Answer.Passed("its answer to HEAD named no digest or no length");
            }
            try
            {
                if (await read.Whole(response, LargestManifest) is not { } bytes)
                    return new Answer.Passed("larger than a manifest may be");
                var digest = image.Digest ?? (named is not null && ImageReference.IsDigest(named) ? named : ManifestDigest.Compute(bytes));
                return ManifestDigest.Fits(digest, bytes)
                    ? new Answer.ManifestAnswer(digest, type, bytes.Length, bytes)
                    : new Answer.Passed("CORRUPT: its bytes are not those of the digest");
            }
            catch (IOException broken)
            {
                return new Answer.Passed($"the body broke off ({broken.Message})", IsSilent: true);
            }
        }
    }

    public async Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct)
    {
        var (response, otherwise) = await Ask($"blobs/{image.Digest}", image, onlyHead, range, ct);
        return response is null ? otherwise! : Answer.Blob.From(response, range);
    }

    // Asks until there is an answer that is not "working". One of the two results is null.
    private async Task<(HttpResponseMessage? Found, Answer? Otherwise)> Ask(string what, ImageReference image, bool onlyHead,
        RangeHeaderValue? range, CancellationToken ct, TimeSpan? fresh = null)
    {
        if (fetcher.Endpoint is not { } endpoint)
            return (null, new Answer.Passed(SourceEndpoint.NoAddress, IsSilent: true));
        var target = new Uri(endpoint, $"/v2/{CachePath.Of(image)}/{what}");
        var begun = time.GetTimestamp();
        for (var isLastTry = false; ;)
        {
            var asked = time.GetTimestamp();
            var ask = new HttpRequestMessage(onlyHead ? HttpMethod.Head : HttpMethod.Get, target);
            ask.Headers.Range = range;
            ask.Headers.TryAddWithoutValidation("Accept", MediaTypes.Manifests);
            if (fresh is { TotalSeconds: var seconds })
                ask.Headers.Add(Fresh, ((long)Math.Ceiling(seconds)).ToString(CultureInfo.InvariantCulture));
            var (response, problem) = await fetcher.Ask(ask, ct);
            if (response is null && !isLastTry)
            {
                // that replica is gone: another one may take the next connection. One that is silent is passed over here.
                isLastTry = true;
                continue;
            }
            if (response is null)
                return (null, new Answer.Passed(problem!, IsSilent: true));
            if ((int)response.StatusCode is 200 or 206)
                return (response, null);
            using (response)
            {
                var isStopping = (int)response.StatusCode == 503 && response.Headers.Contains(Draining)
                    && time.GetElapsedTime(begun) < DrainingPatience;
                if (!isStopping && ((int)response.StatusCode != 202 || !response.Headers.Contains(Working)))
                    return (null, await Judge(response, ct));
            }
            if (time.GetElapsedTime(begun) >= options.FetcherPatience)
                return (null, new Answer.Refused(504, RegistryErrors.Body("UNAVAILABLE", "image-fetcher is still copying this: ask again"),
                    "5"));
            if (time.GetElapsedTime(asked) is var took && took < Pace)
                await Task.Delay(Pace - took, time, ct);
        }
    }

    private async Task<Answer> Judge(HttpResponseMessage response, CancellationToken ct)
    {
        var status = (int)response.StatusCode;
        var body = await ReadError(response, ct);
        if (status is not (401 or 403 or 404 or 416 or 429))
        {
            var why = $"it answered {status}{(status is 502 or 504 ? ": it could not get this from the origin" : "")}";
            var said = body is null ? null : ErrorBody.Message(body);
            return new Answer.Passed(why, IsSilent: true) { Detail = said is null ? null : $"it answered {status}: {said}" };
        }

        // The body holds the origin's answer; without a readable one the status is enough.
        var retryAfter = response.Headers.TryGetValues("Retry-After", out var values) ? values.First() : null;
        body ??= RegistryErrors.Body(CodeOf(status), $"image-fetcher answered {status} for the origin");
        return new Answer.Refused(status, body, retryAfter)
        {
            ContentRange = Answer.Refused.SizeIn(response),
        };
    }

    private async Task<string?> ReadError(HttpResponseMessage response, CancellationToken ct)
    {
        if (response.Content.Headers.ContentType?.MediaType != RegistryErrors.MediaType)
            return null;
        using var read = new BodyReader(options.FetcherLimit, time, ct);
        try
        {
            return await read.Whole(response, LargestError) is { Length: > 0 } bytes ? Encoding.UTF8.GetString(bytes) : null;
        }
        catch (IOException)
        {
            return null;   // broken off behind its status line: the verdict stands
        }
    }

    private static string CodeOf(int status) => status switch
    {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        404 => "NAME_UNKNOWN",
        416 => "RANGE_INVALID",
        429 => "TOOMANYREQUESTS",
        _ => "UNAVAILABLE",
    };
}
