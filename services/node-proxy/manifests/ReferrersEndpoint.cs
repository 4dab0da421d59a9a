using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>
/// Answers <c>/v2/…/referrers/&lt;digest&gt;</c> with an index (distribution-spec, "Listing Referrers"): the first that a source has; an
/// empty one when those that could be asked have none or show none to an anonymous client. Only where it is not known whether there are any
/// (429, or no origin that answers) it is an error: "none" would be read as "not signed".
/// </summary>
/// <param name="sources">In the order they are asked.</param>
/// <param name="pages">Relays a list of several pages.</param>
internal sealed class ReferrersEndpoint(IReadOnlyList<IPullSource> sources, ReferrerPages pages)
{
    private static readonly byte[] None =
        Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[]}""");

    /// <returns>The outcome of the pull; the response is written.</returns>
    public async Task<PullOutcome> Serve(HttpContext http, ImageReference image)
    {
        var passed = new PassedSources();
        var isUnknown = false;
        foreach (var source in sources)
        {
            switch (await source.AskReferrers(image, http.RequestAborted))
            {
                case Answer.ManifestAnswer { Bytes: { } list }:
                    await Write(http, list);
                    return new PullOutcome(source.Name, passed.Note);
                case Answer.Pages:
                    return await pages.Relay(http, image);
                case Answer.Refused { Status: 429 or >= 500 } refused:
                    await WriteError.To(http, passed.Explain(refused));
                    return new PullOutcome(source.Name, passed.NoteWith($"{source.Name} refused"));
                case Answer.Refused { Status: var status }:
                    passed.Add(source.Name, $"it answered {status}");
                    isUnknown = false;
                    break;
                case Answer.Passed pass:
                    passed.Add(source.Name, pass);
                    isUnknown = pass.IsSilent;   // the last one, the origin, is the one that knows
                    break;
            }
        }
        if (isUnknown)
            await WriteError.To(http, passed.NoneLeft(image));
        else
            await Write(http, None);
        return new PullOutcome(PullOutcome.NoSource, passed.Note);
    }

    private static async Task Write(HttpContext http, byte[] list)
    {
        if (http.Request.Query["artifactType"] is [{ Length: > 0 } type, ..])
        {
            list = OfType(list, type);
            http.Response.Headers["OCI-Filters-Applied"] = "artifactType";
        }
        http.Response.ContentType = MediaTypes.OciIndex;
        http.Response.ContentLength = list.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
            await http.Response.Body.WriteAsync(list, http.RequestAborted);
    }

    /// <summary>The index with the entries of one artifact type only.</summary>
    public static byte[] OfType(byte[] list, string artifactType)
    {
        if (UntrustedJson.ParseNode(list) is not JsonObject index || index["manifests"] is not JsonArray entries)
            return list;
        index["manifests"] = new JsonArray([.. entries.Where(IsOfType).Select(entry => entry!.DeepClone())]);
        return Encoding.UTF8.GetBytes(index.ToJsonString());

        bool IsOfType(JsonNode? entry) =>
            (entry as JsonObject)?["artifactType"] is JsonValue value && value.TryGetValue<string>(out var type) && type == artifactType;
    }

    /// <summary>True for an index that can be served as a list of referrers.</summary>
    public static bool IsList(ReadOnlySpan<byte> bytes) => Entries(bytes) is not null;

    /// <summary>True for such an index with entries.</summary>
    public static bool HasEntries(ReadOnlySpan<byte> bytes) => Entries(bytes) > 0;

    private static int? Entries(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return ((UntrustedJson.ParseNode(bytes) as JsonObject)?["manifests"] as JsonArray)?.Count;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
