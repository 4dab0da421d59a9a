using Kuik.Contracts;
using Microsoft.Extensions.Primitives;

namespace Kuik.NodeProxy;

/// <summary>Answers <c>/v2/…/manifests/&lt;tag or digest&gt;</c> from the first source that has it.</summary>
internal sealed class ServeManifest(IReadOnlyList<IPullSource> sources)
{
    /// <returns>How it ended; the response is written.</returns>
    public async Task<PullOutcome> Run(HttpContext http, ImageReference image)
    {
        var isHead = HttpMethods.IsHead(http.Request.Method);
        var passed = new List<string>();
        foreach (var source in sources)
        {
            switch (await source.AskManifest(image, isHead, http.RequestAborted))
            {
                case Answer.Manifest manifest:
                    await Write(http, manifest, isHead);
                    return new PullOutcome(source.Name, string.Join("; ", passed));
                case Answer.Refused refused:
                    await WriteError.To(http, refused);
                    return new PullOutcome(source.Name, string.Join("; ", passed.Append($"{source.Name} refused")));
                case Answer.Passed pass:
                    passed.Add($"{source.Name}: {pass.Why}");
                    break;
            }
        }
        var why = string.Join("; ", passed);
        await WriteError.To(http, 502, "UNAVAILABLE", $"no source of {image} answered: {why}");
        return new PullOutcome(PullOutcome.NoSource, why);
    }

    private static async Task Write(HttpContext http, Answer.Manifest manifest, bool isHead)
    {
        var response = http.Response;
        response.Headers["Docker-Content-Digest"] = manifest.Digest;
        response.Headers.ETag = $"\"{manifest.Digest}\"";
        if (IsKnown(http.Request.Headers.IfNoneMatch, manifest.Digest))
        {
            response.StatusCode = 304;
            return;
        }
        response.ContentType = manifest.MediaType;
        response.ContentLength = manifest.Size;
        if (!isHead)
            await response.Body.WriteAsync(manifest.Bytes, http.RequestAborted);
    }

    /// <summary>Does the client have these bytes already, by its <c>If-None-Match</c>?</summary>
    public static bool IsKnown(StringValues ifNoneMatch, string digest)
    {
        foreach (var line in ifNoneMatch)
            foreach (var tag in (line ?? "").Split(',', StringSplitOptions.TrimEntries))
                if (tag == "*" || tag.Replace("W/", "", StringComparison.Ordinal).Trim('"') == digest)
                    return true;
        return false;
    }
}
