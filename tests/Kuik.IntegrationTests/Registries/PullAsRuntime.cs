using System.Net;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Registries;

/// <summary>Pulls an image from node-proxy as a runtime does: HEAD and GET of the tag, the manifest by digest, HEAD and GET of each blob;
/// every byte and head is compared.</summary>
internal static class PullAsRuntime
{
    /// <param name="proxy">node-proxy's address.</param>
    /// <param name="path">The repository as node-proxy's paths have it.</param>
    /// <param name="image">The image that has to come.</param>
    /// <param name="query">For example <c>?ns=…</c>.</param>
    /// <returns>Null when all of it came rightly; otherwise the first thing that did not.</returns>
    public static async Task<string?> FindProblem(Uri proxy, string path, TestImage image, string query = "")
    {
        using var client = new HttpClient { BaseAddress = new Uri(proxy, $"v2/{path}/") };
        foreach (var method in (HttpMethod[])[HttpMethod.Head, HttpMethod.Get])
            foreach (var target in (string[])["1", image.Digest])
                if (await FindProblem(client, method, $"manifests/{target}{query}", image.Bytes, image.Digest,
                    image.MediaType) is { } problem)
                    return problem;
        foreach (var blob in image.Blobs)
            foreach (var method in (HttpMethod[])[HttpMethod.Head, HttpMethod.Get])
                if (await FindProblem(client, method, $"blobs/{blob.Digest}{query}", blob.Bytes, blob.Digest, type: null) is { } problem)
                    return problem;
        return null;
    }

    /// <summary>One request; null when its answer is right.</summary>
    /// <param name="client">At the repository.</param>
    /// <param name="method">HEAD or GET.</param>
    /// <param name="path">Below the repository.</param>
    /// <param name="bytes">The content.</param>
    /// <param name="digest">Of the content.</param>
    /// <param name="type">The media type that has to be said; null for any.</param>
    public static async Task<string?> FindProblem(HttpClient client, HttpMethod method, string path, byte[] bytes, string digest,
        string? type)
    {
        using var ask = new HttpRequestMessage(method, path);
        ask.Headers.TryAddWithoutValidation("Accept", string.Join(", ", MediaTypes.Manifests));
        try
        {
            using var answer = await client.SendAsync(ask);
            var headers = answer.Content.Headers;
            // once read, a body without one has the length that was read
            var length = headers.NonValidated.Contains("Content-Length") ? headers.ContentLength : null;
            var got = await answer.Content.ReadAsByteArrayAsync();
            var named = answer.Headers.TryGetValues("Docker-Content-Digest", out var values) ? values.Single() : null;
            var what = answer.StatusCode != HttpStatusCode.OK ? $"{(int)answer.StatusCode} {System.Text.Encoding.UTF8.GetString(got)}"
                : method == HttpMethod.Get && !got.AsSpan().SequenceEqual(bytes) ? $"{got.Length} other bytes"
                : length is not null && length != bytes.Length ? $"a length of {length}"
                : method == HttpMethod.Head && length is null && type is not null ? "no length"
                : type is not null && !IsRightType(headers.ContentType?.MediaType, type, method) ? $"the type {headers.ContentType}"
                : named is not null && named != digest ? $"the digest {named}"
                : named is null && type is not null ? "no digest"
                : null;
            return what is null ? null : $"{method} {path}: {what}";
        }
        catch (HttpRequestException broken)
        {
            return $"{method} {path}: {broken.Message}";
        }
    }

    // A HEAD says what the registry says; only the body shows which of the known types it is.
    private static bool IsRightType(string? said, string right, HttpMethod method) =>
        said == right || (method == HttpMethod.Head && said is not null && MediaTypes.Manifests.Contains(said));
}
