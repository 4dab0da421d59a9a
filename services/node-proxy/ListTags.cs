using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>Answers <c>/v2/…/tags/list</c>: what the cache holds, without the tags Kuik keeps for itself.</summary>
internal sealed class ListTags(Upstream cache, ProxySettings settings, TimeProvider time)
{
    private const int LargestList = 4 << 20;

    /// <returns>How it ended; the response is written.</returns>
    public async Task<PullOutcome> Run(HttpContext http, ImageReference image)
    {
        // 1. One page, as the client asks for it (n, last).
        var page = new QueryString().Add(QueryString.Create(http.Request.Query.Where(q => q.Key is "n" or "last")));
        using var ask = new HttpRequestMessage(HttpMethod.Get, new Uri(cache.Endpoint, $"/v2/{CachePath.Of(image)}/tags/list{page}"));
        var (answer, problem) = await cache.Ask(ask, http.RequestAborted);
        if (answer is null)
            return await Refuse(http, 502, "UNAVAILABLE", $"cache: {problem}");
        using var answered = answer;
        if ((int)answer.StatusCode != 200)
            return (int)answer.StatusCode == 404
                ? await Refuse(http, 404, "NAME_UNKNOWN", "nothing of this repository is cached")
                : await Refuse(http, 502, "UNAVAILABLE", $"cache: it answered {(int)answer.StatusCode}");

        // 2. Its tags but ours.
        using var read = new ReadBody(settings.CacheLimit, time, http.RequestAborted);
        string tags;
        try
        {
            if (await read.Whole(answer, LargestList) is not { } list)
                return await Refuse(http, 502, "UNAVAILABLE", "cache: its list is too long");
            tags = WithoutOurs(list);
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidOperationException)
        {
            return await Refuse(http, 502, "UNAVAILABLE", $"cache: its list cannot be read ({e.Message})");
        }
        http.Response.ContentType = "application/json";
        if (answer.Headers.TryGetValues("Link", out var next))
            http.Response.Headers.Link = next.First();
        if (!HttpMethods.IsHead(http.Request.Method))
            await http.Response.WriteAsync(tags, http.RequestAborted);
        return new PullOutcome("cache", "");
    }

    /// <summary>The list without Kuik's own tags; an empty one where there is none (a registry may say null).</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="InvalidOperationException">It is no list of tags.</exception>
    public static string WithoutOurs(ReadOnlySpan<byte> list)
    {
        var page = UntrustedJson.ParseNode(list) as JsonObject ?? throw new JsonException("no object");
        var tags = page["tags"] as JsonArray ?? [];
        page["tags"] = new JsonArray([.. tags.Select(tag => (string?)tag).Where(tag => tag is not null && !CacheTags.IsOurs(tag)).Select(tag => (JsonNode)tag!)]);
        return page.ToJsonString();
    }

    private static async Task<PullOutcome> Refuse(HttpContext http, int status, string code, string why)
    {
        await WriteError.To(http, status, code, why);
        return new PullOutcome(PullOutcome.NoSource, why);
    }
}
