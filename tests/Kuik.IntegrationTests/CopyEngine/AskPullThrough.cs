using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>Asks an image-fetcher as node-proxy does.</summary>
internal static class AskPullThrough
{
    /// <summary>Asks, again for as long as it says that it is working. The body has not been read.</summary>
    public static async Task<HttpResponseMessage> Ask(this HttpClient client, HttpMethod method, string name, string path,
        RangeHeaderValue? range = null)
    {
        while (true)
        {
            var answer = await client.AskOnce(method, name, path, range);
            if (answer.StatusCode != HttpStatusCode.Accepted)
                return answer;
            Assert.Contains(PullThrough.WorkingHeader, answer.Headers.Select(header => header.Key));
            answer.Dispose();
        }
    }

    /// <summary>Asks once.</summary>
    public static async Task<HttpResponseMessage> AskOnce(this HttpClient client, HttpMethod method, string name, string path,
        RangeHeaderValue? range = null)
    {
        using var ask = new HttpRequestMessage(method, new Uri($"/v2/{CachePath.Of(ImageReference.Parse(name))}/{path}", UriKind.Relative));
        ask.Headers.TryAddWithoutValidation("Accept", string.Join(", ", MediaTypes.Manifests));
        ask.Headers.Range = range;
        return await client.SendAsync(ask, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
    }

    /// <summary>A whole blob, or null when the answer was none or broke off.</summary>
    public static async Task<byte[]?> TryRead(this HttpClient client, string name, string digest)
    {
        try
        {
            using var answer = await client.Ask(HttpMethod.Get, name, "blobs/" + digest);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken) : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return null;
        }
    }

    public static string? Digest(this HttpResponseMessage answer) => answer.Headers.GetValues("Docker-Content-Digest").Single();

    public static string? Type(this HttpResponseMessage answer) => answer.Content.Headers.ContentType?.ToString();
}
