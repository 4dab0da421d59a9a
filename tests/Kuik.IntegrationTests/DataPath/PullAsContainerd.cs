using System.Collections.Concurrent;
using System.Net.Http.Headers;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.DataPath;

/// <summary>
/// Pulls an image as containerd does: the tag's digest, the index, the child, then config and layers, three at a time. A transfer that
/// breaks is gone on with from where it broke. Every byte is compared as it comes, and none is kept.
/// </summary>
/// <param name="http">Shared by all clients.</param>
/// <param name="repository">Its address, with a slash at the end.</param>
internal sealed class PullAsContainerd(HttpClient http, Uri repository)
{
    private const int MostTries = 10;
    private const int AtATime = 3;

    private readonly ConcurrentQueue<string> breaks = [];

    /// <summary>The answers that were none, or broke off.</summary>
    public IReadOnlyCollection<string> Breaks => breaks;

    /// <exception cref="InvalidDataException">A byte was wrong, or a transfer ended well too early.</exception>
    /// <exception cref="HttpRequestException">A part could not be had, often.</exception>
    public async Task Run(CorpusImage image)
    {
        using (var named = await Ask(HttpMethod.Head, $"manifests/{image.Tag}", from: 0))
            if (named.Headers.GetValues("Docker-Content-Digest").Single() != image.Root.Digest)
                throw new InvalidDataException($"the tag names {named.Headers.GetValues("Docker-Content-Digest").Single()}");
        foreach (var manifest in image.Root.All.Reverse())
            await Get($"manifests/{manifest.Digest}", manifest.Bytes);
        await Parallel.ForEachAsync(
            image.Root.All.SelectMany(manifest => manifest.Blobs), new ParallelOptions { MaxDegreeOfParallelism = AtATime },
            async (blob, _) => await Get($"blobs/{blob.Digest}", blob.Bytes));
    }

    private async Task Get(string path, byte[] expected)
    {
        var at = 0;
        for (var tries = 1; at < expected.Length; tries++)
            try
            {
                using var answer = await Ask(HttpMethod.Get, path, at);
                await using var body = await answer.Content.ReadAsStreamAsync();
                var buffer = new byte[128 * 1024];
                for (int got; (got = await body.ReadAsync(buffer)) > 0; at += got)
                    if (got > expected.Length - at || !buffer.AsSpan(0, got).SequenceEqual(expected.AsSpan(at, got)))
                        throw new InvalidDataException($"{path}: wrong bytes between {at} and {at + got}");
                if (at < expected.Length)
                    throw new InvalidDataException($"{path}: ended well after {at} of {expected.Length} bytes");
            }
            catch (Exception broken) when (broken is HttpRequestException or IOException && tries < MostTries)
            {
                breaks.Enqueue($"{path} at {at}: {broken.Message}");
            }
    }

    private async Task<HttpResponseMessage> Ask(HttpMethod method, string path, int from)
    {
        using var ask = new HttpRequestMessage(method, new Uri(repository, path));
        ask.Headers.TryAddWithoutValidation("Accept", string.Join(", ", MediaTypes.Manifests));
        if (from > 0)
            ask.Headers.Range = new RangeHeaderValue(from, null);
        var answer = await http.SendAsync(ask, HttpCompletionOption.ResponseHeadersRead);
        if ((int)answer.StatusCode == (from > 0 ? 206 : 200))
            return answer;
        using (answer)
            throw new HttpRequestException(
                $"{method} {path} from {from}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
    }
}
