using System.Net.Http.Headers;
using Kuik.Oci;

namespace Kuik.Testing;

/// <summary>Pushes images to a registry, as a client does: blobs first, then manifests, then the index.</summary>
public static class PushImage
{
    /// <summary>Pushes an image of one platform.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="repository">For example <c>team/web</c>.</param>
    /// <param name="tag">Null: under its digest alone.</param>
    /// <param name="image">The image.</param>
    /// <returns>Its name: <c>127.0.0.1:PORT/team/web:tag</c>, or with <c>@digest</c>.</returns>
    /// <exception cref="HttpRequestException">The registry refused a part.</exception>
    public static async Task<string> Push(this Registry registry, string repository, string? tag, TestImage image)
    {
        using var http = registry.Client(repository);
        foreach (var blob in image.Blobs)
            await PushBlob(http, repository, blob.Digest, blob.Bytes);
        await PushManifest(http, repository, tag ?? image.Digest, image.MediaType, image.Bytes);
        return Name(registry, repository, tag, image.Digest);
    }

    /// <summary>Pushes an index and all its images, these under their digests alone.</summary>
    /// <inheritdoc cref="Push(Registry, string, string?, TestImage)"/>
    public static async Task<string> Push(this Registry registry, string repository, string? tag, TestIndex image)
    {
        foreach (var child in image.Children)
            await registry.Push(repository, null, child);
        using var http = registry.Client(repository);
        await PushManifest(http, repository, tag ?? image.Digest, image.MediaType, image.Bytes);
        return Name(registry, repository, tag, image.Digest);
    }

    /// <summary>Pushes images of a corpus, several at a time, to a registry without authentication.</summary>
    /// <exception cref="HttpRequestException">The registry refused a part.</exception>
    public static async Task Push(this Registry registry, IEnumerable<CorpusImage> images)
    {
        using var http = new HttpClient { BaseAddress = registry.Endpoint };
        await Parallel.ForEachAsync(images, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (image, _) =>
        {
            foreach (var manifest in image.Root.All)
            {
                foreach (var blob in manifest.Blobs)
                    await PushBlob(http, image.Repository, blob.Digest, blob.Bytes);
                await PushManifest(http, image.Repository, manifest == image.Root
                    ? image.Tag
                    : manifest.Digest, manifest.MediaType, manifest.Bytes);
            }
        });
    }

    /// <summary>Pushes any manifest unchanged; the content it refers to must exist.</summary>
    /// <exception cref="HttpRequestException">The registry refused it.</exception>
    public static async Task PushManifest(HttpClient http, string repository, string reference, string mediaType, byte[] bytes)
    {
        using var content = new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue(mediaType) } };
        using var answer = await http.PutAsync(new Uri($"/v2/{repository}/manifests/{reference}", UriKind.Relative), content);
        await Accepted(answer);
    }

    /// <summary>Pushes a manifest of Kuik's own under some tags, and its config; its layers must be there.</summary>
    /// <exception cref="HttpRequestException">The registry refused it.</exception>
    public static async Task PushArtifact(HttpClient http, string repository, byte[] manifest, params string[] tags)
    {
        await PushBlob(http, repository, ArtifactManifest.EmptyDigest, ArtifactManifest.EmptyBlob.ToArray());
        foreach (var tag in tags)
            await PushManifest(http, repository, tag, MediaTypes.OciManifest, manifest);
    }

    /// <summary>Pushes a blob unless the repository has it.</summary>
    /// <exception cref="HttpRequestException">The registry refused it.</exception>
    public static async Task PushBlob(HttpClient http, string repository, string digest, byte[] bytes)
    {
        using var question = new HttpRequestMessage(HttpMethod.Head, new Uri($"/v2/{repository}/blobs/{digest}", UriKind.Relative));
        using var known = await http.SendAsync(question);
        if (known.IsSuccessStatusCode)
            return;
        using var upload = await http.PostAsync(new Uri($"/v2/{repository}/blobs/uploads/", UriKind.Relative), null);
        await Accepted(upload);
        var location = new UriBuilder(new Uri(http.BaseAddress!, upload.Headers.Location!));
        location.Query = $"{location.Query.TrimStart('?')}&digest={Uri.EscapeDataString(digest)}";
        using var content = new ByteArrayContent(bytes)
        { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        using var put = await http.PutAsync(location.Uri, content);
        await Accepted(put);
    }

    private static string Name(Registry registry, string repository, string? tag, string digest) =>
        $"{registry.Host}/{repository}{(tag is null ? "@" + digest : ":" + tag)}";

    private static async Task Accepted(HttpResponseMessage answer)
    {
        if (!answer.IsSuccessStatusCode)
            throw new HttpRequestException(
                $"{answer.RequestMessage!.Method} {answer.RequestMessage.RequestUri}: {(int)answer.StatusCode} "
                    + $"{await answer.Content.ReadAsStringAsync()}");
    }
}
