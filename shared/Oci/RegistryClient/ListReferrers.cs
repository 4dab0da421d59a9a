using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Kuik.Oci;

/// <summary>Lists the referrers of a manifest (distribution-spec, "Listing Referrers").</summary>
public static partial class ListReferrers
{
    private const int MostPages = 100;

    /// <summary>Gets the list, all pages of it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="repository">Where.</param>
    /// <param name="digest">Of the manifest that is referred to; the registry need not have it.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>An index: as the registry sent it where it is one page. Null when the registry does not have this API.</returns>
    /// <exception cref="RegistryException">It could not be had; a registry without this API may also say
    /// <see cref="RegistryErrorKind.Gone"/>.</exception>
    public static async Task<Manifest?> GetReferrers(this RegistryClient client, RegistryRepository repository, string digest,
        RegistryCredential? credential, CancellationToken ct)
    {
        var pages = new List<byte[]>();
        var first = new RegistryCall(HttpMethod.Get, repository, "referrers/" + digest)
        { Credential = credential, Accept = [MediaTypes.OciIndex] };
        for (var call = first; ;)
        {
            if (await GetPage(client, call, ct) is not { } page)
                return null;
            pages.Add(page.Bytes);
            if (pages.Count > MostPages || pages.Sum(bytes => bytes.Length) > PullFromRegistry.LargestManifest)
                throw TooLong(repository, digest);
            if (page.Next is null)
                return Joined(repository, digest, pages);
            call = first with { Address = page.Next };
        }
    }

    private static async Task<(byte[] Bytes, Uri? Next)?> GetPage(RegistryClient client, RegistryCall call, CancellationToken ct)
    {
        HttpResponseMessage answer;
        try
        {
            answer = await client.Send(call, ct);
        }
        catch (RegistryException e)
            when (e.Status is HttpStatusCode.BadRequest or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotAcceptable
                or HttpStatusCode.NotImplemented)
        {
            return null;
        }
        using var disposed = answer;
        var address = answer.RequestMessage!.RequestUri!;
        var next = NextOf(client, answer, address, call.Repository);
        if (MediaTypes.OfManifest(answer.Content.Headers.ContentType?.MediaType) != MediaTypes.OciIndex)
            return null;   // a page of something else: some registries answer unknown paths with one
        var bytes = await client.ReadWhole(answer, PullFromRegistry.LargestManifest, ct)
            ?? throw RegistryException.Unusable(call.Method, address, "a page of more than 4 MiB", isTransient: false);
        return (bytes, next);
    }

    /// <summary>The address of the next page, at the registry itself and below the repository: no other is followed.</summary>
    private static Uri? NextOf(RegistryClient client, HttpResponseMessage answer, Uri address, RegistryRepository repository)
    {
        if (!answer.Headers.NonValidated.TryGetValues("Link", out var links)
            || Next().Match(links.ToString()) is not { Success: true } match)
            return null;
        try
        {
            var next = UriReference.Resolve(address, match.Groups[1].Value);
            return next.PathAndQuery.StartsWith($"/v2/{repository.Name}/referrers/", StringComparison.Ordinal)
                && !HasDots(next.AbsolutePath)
                ? UriReference.Resolve(client.AddressOf(repository.Host), next.PathAndQuery)
                : throw RegistryException.Unusable(HttpMethod.Get, address, $"its next page is said to be {RegistryException.Show(next)}",
                    isTransient: false);
        }
        catch (UriFormatException e)
        {
            throw RegistryException.Unusable(HttpMethod.Get, address, $"its next page cannot be asked for: of its address, {e.Message}",
                isTransient: false);
        }
    }

    /// <summary>True when a server that resolves dot segments would leave the repository.</summary>
    private static bool HasDots(string path) =>
        path.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase).Split('/').Any(segment => segment is "." or "..");

    private static RegistryException TooLong(RegistryRepository repository, string digest) =>
        new(RegistryErrorKind.Broken,
            $"what refers to {repository}@{digest} is listed on more than {MostPages} pages or in more than 4 MiB", isTransient: false);

    /// <summary>One page as it came; of several, the first one's words with the entries of all.</summary>
    private static Manifest Joined(RegistryRepository repository, string digest, List<byte[]> pages)
    {
        try
        {
            var index = pages[0];
            if (pages.Count > 1)
            {
                var list = UntrustedJson.ParseNode(index) as JsonObject ?? [];
                list["manifests"] = new JsonArray(
                    [.. pages.SelectMany(page => UntrustedJson.ParseNode(page)?["manifests"] as JsonArray ?? [])
                        .Select(entry => entry?.DeepClone())]);
                index = Encoding.UTF8.GetBytes(list.ToJsonString());
            }
            return new Manifest(index, MediaTypes.OciIndex, Digest.Sha256(index));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new RegistryException(RegistryErrorKind.Broken,
                $"the list of what refers to {repository}@{digest} cannot be read: {e.Message}", isTransient: false, inner: e);
        }
    }

    [GeneratedRegex("""<([^>]*)>\s*;[^,]*\brel="?next\b""")]
    private static partial Regex Next();
}
