using System.IO.Compression;
using System.Text;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Kuik.IntegrationTests.Registries;

/// <summary>The answer of one of a case's registries; null for the answer of an ordinary registry.</summary>
/// <param name="registry">The case's registries.</param>
/// <param name="request">The request.</param>
/// <param name="isSecond">The request came to the second registry.</param>
internal delegate Misbehaviour? FieldScript(FieldRegistry registry, OriginRequest request, bool isSecond);

/// <summary>The clients that get the image of a case.</summary>
internal enum PulledBy
{
    /// <summary>skopeo or containerd, directly; so Kuik has to.</summary>
    Clients,

    /// <summary>Neither of Debian 12's skopeo and containerd; Kuik nevertheless, since the content is right.</summary>
    KuikOnly,

    /// <summary>No client: the registry's answer contradicts itself.</summary>
    None,
}

/// <summary>One exchange between a client and registries, as a public bug report describes it.</summary>
/// <param name="Name">The circumstance; the name of the test.</param>
/// <param name="Script">The registries' answers.</param>
internal sealed record FieldCase(string Name, FieldScript Script)
{
    /// <summary>The image opens only with <see cref="FieldRegistry.Credential"/>.</summary>
    public bool NeedsCredential { get; init; }

    /// <summary>The clients that get the image. Default: today's.</summary>
    public PulledBy By { get; init; }

    /// <summary>The image's own registry names the second one's token server.</summary>
    public bool NamesSecond { get; init; }

    public override string ToString() => Name;
}

/// <summary>The registry that a case's image names, a second one that the first may lead to, and the image, on both.</summary>
internal sealed class FieldRegistry : IAsyncDisposable
{
    public const string Repository = "team/web";
    public const string Credential = "robot:secret";

    private FieldRegistry(ScriptedOrigin first, ScriptedOrigin second, TestImage image) => (First, Second, Image) = (first, second, image);

    /// <summary>The value of the <c>Authorization</c> header that <see cref="Credential"/> makes.</summary>
    public static string Basic { get; } = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(Credential));

    public ScriptedOrigin First { get; }

    public ScriptedOrigin Second { get; }

    public TestImage Image { get; }

    /// <summary>The image's name, by tag.</summary>
    public string Name => $"{First.Host}/{Repository}:1";

    /// <param name="script">The registries' answers.</param>
    /// <param name="seed">Of the image: each case has blobs of its own, since a containerd fetches none twice.</param>
    public static async Task<FieldRegistry> Start(FieldScript script, int seed)
    {
        var registry = new FieldRegistry(await ScriptedOrigin.Start(), await ScriptedOrigin.Start(), TestImage.Small(seed));
        registry.First.Add(Repository, "1", registry.Image);
        registry.Second.Add(Repository, "1", registry.Image);
        registry.First.Script = request =>
            script(registry, request, isSecond: false) ?? (request.IsPing() ? Misbehave.Say(200, "{}") : null);
        registry.Second.Script = request =>
            script(registry, request, isSecond: true) ?? (request.IsPing() ? Misbehave.Say(200, "{}") : null);
        return registry;
    }

    public async ValueTask DisposeAsync()
    {
        await First.DisposeAsync();
        await Second.DisposeAsync();
    }
}

/// <summary>Answers that field cases are made of.</summary>
internal static class Answers
{
    public static bool IsToken(this OriginRequest request) => request.Path.StartsWith("/token", StringComparison.Ordinal);

    public static bool IsPing(this OriginRequest request) => request.Path is "/v2/" or "/v2";

    public static bool IsManifest(this OriginRequest request) => request.Path.Contains("/manifests/", StringComparison.Ordinal);

    public static bool IsBlob(this OriginRequest request) => request.Path.Contains("/blobs/", StringComparison.Ordinal);

    /// <summary>401 with this challenge.</summary>
    public static Misbehaviour Challenge(string challenge) => Misbehave.Answer(401, ("WWW-Authenticate", challenge));

    /// <summary>A bearer challenge of a host's own token server.</summary>
    public static string Bearer(string host, string more = "") => $"Bearer realm=\"http://{host}/token\",service=\"a\"{more}";

    public static Misbehaviour Token(string token) => Misbehave.Say(200, $"{{\"token\":\"{token}\"}}");

    /// <summary>307 to this address, written as it is.</summary>
    public static Misbehaviour Redirect(string location) => Misbehave.Answer(307, ("Location", location));

    /// <summary>The content under another type and with another digest header.</summary>
    /// <param name="type">Null for no Content-Type.</param>
    /// <param name="digest">Null for no Docker-Content-Digest.</param>
    public static Misbehaviour As(string? type, string? digest = null) => async (http, body) =>
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = body.Length;
        if (digest is not null)
            http.Response.Headers["Docker-Content-Digest"] = digest;
        if (HttpMethods.IsGet(http.Request.Method))
            await http.Response.Body.WriteAsync(body);
    };

    /// <summary>The content compressed, unless the client asks for it as it is.</summary>
    /// <param name="type">Content-Type.</param>
    /// <param name="always">Also to a client that asks for identity.</param>
    /// <param name="hasDigest">With the digest of the plain content.</param>
    public static Misbehaviour Gzipped(string type, bool always, bool hasDigest) => async (http, body) =>
    {
        http.Response.ContentType = type;
        if (hasDigest)
            http.Response.Headers["Docker-Content-Digest"] = TestBlob.DigestOf(body);
        var bytes = body;
        if (always || !http.Request.Headers.AcceptEncoding.ToString().Contains("identity", StringComparison.Ordinal))
        {
            var packed = new MemoryStream();
            await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
                await gzip.WriteAsync(body);
            bytes = packed.ToArray();
            http.Response.Headers.ContentEncoding = "gzip";
        }
        http.Response.ContentLength = bytes.Length;
        if (HttpMethods.IsGet(http.Request.Method))
            await http.Response.Body.WriteAsync(bytes);
    };

    /// <summary>The head of an answer to HEAD.</summary>
    public static Misbehaviour Head(string type, long length, string? digest) => (http, _) =>
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = length;
        if (digest is not null)
            http.Response.Headers["Docker-Content-Digest"] = digest;
        return Task.CompletedTask;
    };

    /// <summary>The content, if the request line is this to the byte, as a store with signed addresses demands; else 403.</summary>
    public static Misbehaviour Signed(string target) => async (http, body) =>
    {
        http.Response.StatusCode = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget == target ? 200 : 403;
        var bytes = http.Response.StatusCode == 200 ? body : "SignatureDoesNotMatch"u8.ToArray();
        http.Response.ContentLength = bytes.Length;
        if (HttpMethods.IsGet(http.Request.Method))
            await http.Response.Body.WriteAsync(bytes);
    };
}
