using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// Answers <c>/v2/…/tags/list</c> from the cache; from the origin when the cache holds no tag of the repository or does not answer.
/// </summary>
internal sealed partial class TagListEndpoint(SourceEndpoint cache, OriginSource origin, ProxyOptions options, TimeProvider time)
{
    /// <summary>Longest list that is read, in bytes.</summary>
    public const int LargestList = 4 << 20;

    private static readonly Answer.Refused WrongNumber =
        new(400, RegistryErrors.Body("PAGINATION_NUMBER_INVALID", "n is the number of tags asked for, from 0"), null);

    /// <returns>The outcome of the pull; the response is written.</returns>
    public async Task<PullOutcome> Serve(HttpContext http, ImageReference image)
    {
        // 1. The page the client asks for; a query that a page's link gave it is the source's own matter.
        var asked = http.Request.Query.Where(q => q.Key != "ns").ToList();
        if (asked.Exists(q => q.Key == "n"
            && !(q.Value is [{ } n] && int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out _))))
            return await Refuse(http, WrongNumber, "n is no number");
        var query = QueryString.Create(asked).ToString();

        // 2. The cache.
        var (page, why) = await AskCache(image, query, http.RequestAborted);
        if (page is not null && (!page.IsEmpty || asked.Exists(q => q.Key == "last")))
            return await Write(http, image, page, new PullOutcome("cache", ""));

        // 3. The origin.
        var passed = new PassedSources();
        passed.Add(NodeProxy.CacheSource.CacheName, why ?? "not cached");
        switch (await origin.AskTags(image, query, http.RequestAborted))
        {
            case Answer.Tags { Page: var found }:
                return await Write(http, image, found, new PullOutcome(origin.Name, passed.Note));
            case Answer.Refused refused:
                return await Refuse(http, refused, passed.NoteWith("origin refused"));
            case Answer.Passed pass:
                passed.Add(origin.Name, pass);
                break;
        }
        return await Refuse(http, passed.NoneLeft(image), passed.Note);
    }

    /// <summary>Reads a page.</summary>
    /// <param name="body">As a registry sent it.</param>
    /// <param name="link">Its <c>Link</c> header; null for none.</param>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="InvalidOperationException">It is no list of tags.</exception>
    public static TagPage ReadPage(ReadOnlySpan<byte> body, string? link) =>
        new(WithoutOurs(body, out var count), count == 0,
            link is not null && Next().Match(link) is { Success: true } next ? next.Groups["query"].Value : null);

    /// <summary>The list without Kuik's own tags; an empty one where there is none (a registry may say null).</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="InvalidOperationException">It is no list of tags.</exception>
    public static string WithoutOurs(ReadOnlySpan<byte> list) => WithoutOurs(list, out _);

    private static string WithoutOurs(ReadOnlySpan<byte> list, out int count)
    {
        var page = UntrustedJson.ParseNode(list) as JsonObject ?? throw new JsonException("no object");
        var tags = page["tags"] as JsonArray ?? [];
        var shown = new JsonArray(
            [.. tags.Select(tag => (string?)tag).Where(tag => tag is not null && !CacheTags.IsOurs(tag)).Select(tag => (JsonNode)tag!)]);
        count = shown.Count;
        page["tags"] = shown;
        return page.ToJsonString();
    }

    // One of the two results is null.
    private async Task<(TagPage? Page, string? Why)> AskCache(ImageReference image, string query, CancellationToken ct)
    {
        if (cache.Endpoint is not { } endpoint)
            return (null, SourceEndpoint.NoAddress);
        using var ask = new HttpRequestMessage(HttpMethod.Get, new Uri(endpoint, $"/v2/{CachePath.Of(image)}/tags/list{query}"));
        var (answer, problem) = await cache.Ask(ask, ct);
        if (answer is null)
            return (null, problem);
        using var answered = answer;
        if ((int)answer.StatusCode != 200)
            return (null, (int)answer.StatusCode == 404 ? "not cached" : $"it answered {(int)answer.StatusCode}");
        using var read = new BodyReader(options.CacheLimit, time, ct);
        try
        {
            return await read.Whole(answer, LargestList) is { } list
                ? (ReadPage(list, answer.Headers.TryGetValues("Link", out var links) ? links.First() : null), null)
                : (null, "its list is too long");
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidOperationException)
        {
            return (null, $"its list cannot be read ({e.Message})");
        }
    }

    private static async Task<PullOutcome> Write(HttpContext http, ImageReference image, TagPage page, PullOutcome outcome)
    {
        http.Response.ContentType = "application/json";
        if (page.Next is { } next)
            http.Response.Headers.Link = $"<{NextOf(http.Request, image, next)}>; rel=\"next\"";
        if (!HttpMethods.IsHead(http.Request.Method))
            await http.Response.WriteAsync(page.Json, http.RequestAborted);
        return outcome;
    }

    /// <summary>The next page, here: the link of a source is about its own paths and, in the cache, its own names.</summary>
    private static string NextOf(HttpRequest request, ImageReference image, string query) => request.Query["ns"] is [{ Length: > 0 } ns]
        ? $"/v2/{image.Repository}/tags/list?{query}&ns={Uri.EscapeDataString(ns)}"
        : $"/v2/{CachePath.Of(image)}/tags/list?{query}";

    private static async Task<PullOutcome> Refuse(HttpContext http, Answer.Refused refused, string note)
    {
        await WriteError.To(http, refused);
        return new PullOutcome(PullOutcome.NoSource, note);
    }

    // Only characters of a URL's query: it is returned in a response header.
    [GeneratedRegex("""<[^<>?]*\?(?<query>[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]+)>\s*;[^,]*\brel="?next\b""")]
    private static partial Regex Next();
}
