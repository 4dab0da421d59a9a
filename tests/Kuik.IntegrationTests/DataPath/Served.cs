using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.DataPath;

/// <summary>The parts of a registry's response that clients rely on.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Type">Content-Type.</param>
/// <param name="Named">Docker-Content-Digest.</param>
/// <param name="Length">Content-Length.</param>
/// <param name="Body">Digest of the body that came.</param>
internal sealed record Served(int Status, string? Type, string? Named, long? Length, string Body)
{
    /// <summary>Asks for a part of an image.</summary>
    /// <param name="http">A client of the registry.</param>
    /// <param name="repository">Its path there.</param>
    /// <param name="part">One of <see cref="PartsOf"/>.</param>
    public static async Task<Served> Ask(HttpClient http, string repository, string part)
    {
        var (method, path) = part.Split(' ') is [var verb, var target] ? (new HttpMethod(verb), target) : throw new ArgumentException(part);
        using var ask = new HttpRequestMessage(method, new Uri($"/v2/{repository}/{path}", UriKind.Relative));
        ask.Headers.TryAddWithoutValidation("Accept", string.Join(", ", MediaTypes.Manifests));
        using var answer = await http.SendAsync(ask, TestContext.Current.CancellationToken);
        var body = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        var named = answer.Headers.TryGetValues("Docker-Content-Digest", out var values) ? string.Join(", ", values) : null;
        return new Served((int)answer.StatusCode, answer.Content.Headers.ContentType?.ToString(), named,
            answer.Content.Headers.ContentLength, TestBlob.DigestOf(body));
    }

    /// <summary>All requests for an image: its tag, and every manifest and blob by digest.</summary>
    public static IEnumerable<string> PartsOf(CorpusImage image, IEnumerable<CorpusManifest> manifests)
    {
        yield return $"HEAD manifests/{image.Tag}";
        yield return $"GET manifests/{image.Tag}";
        foreach (var manifest in manifests.Reverse())   // as a client comes to know them
        {
            yield return $"GET manifests/{manifest.Digest}";
            foreach (var blob in manifest.Blobs)
                yield return $"GET blobs/{blob.Digest}";
        }
    }
}
