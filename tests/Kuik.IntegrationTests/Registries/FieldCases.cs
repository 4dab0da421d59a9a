using Kuik.Oci;
using Kuik.Testing;
using static Kuik.IntegrationTests.Registries.Answers;

namespace Kuik.IntegrationTests.Registries;

/// <summary>Exchanges from public bug reports against registry clients: each was seen with a real registry.</summary>
internal static class FieldCases
{
    private static readonly string[] Schemes = ["Basic", "Bearer"];
    private static readonly bool[] Either = [false, true];

    public static IReadOnlyList<FieldCase> All { get; } =
    [
        .. Redirects(), .. SecondChallenges(), .. ChallengesAtThePing(), .. Codings(), .. Heads(), .. Types(),
        // Of GET alone: the digest that an answer to HEAD names cannot be checked by any client.
        new("a digest header of another representation of the tag", (_, request, _) =>
            request.Method == "GET" && request.IsManifest() && request.Target == "1"
                ? As(MediaTypes.OciManifest, "sha256:" + new string('a', 64))
                : null),
        new("storage with signed addresses", (registry, request, isSecond) => (isSecond, request.IsBlob()) switch
        {
            (false, true) => Redirect($"http://{registry.Second.Host}{SignedTarget(request)}"),
            (true, true) => Signed(SignedTarget(request)),
            _ => null,
        }),
    ];

    private static string SignedTarget(OriginRequest request) =>
        $"/v2/{FieldRegistry.Repository}/blobs/{request.Path.Split('/')[^1].Split('?')[0]}?X=attachment%3B%20filename%3D%22a%7Eb%2Dc%22&Signature=q";

    private static IEnumerable<FieldCase> Redirects()
    {
        yield return new("a redirect to a registry that challenges", (registry, request, isSecond) =>
            isSecond
                ? AnonymousTokens(registry.Second, request)
                : request.IsPing()
                ? null
                : Redirect($"http://{registry.Second.Host}{request.Path}"));
        yield return new("a redirect to a registry whose challenge /v2/ shows already", (registry, request, isSecond) =>
            isSecond ? AnonymousTokens(registry.Second, request)
            : request.IsPing() ? Challenge(Bearer(registry.Second.Host)) : Redirect($"http://{registry.Second.Host}{request.Path}"))
        { NamesSecond = true };
        yield return new("a challenge with the token server of the registry that it then redirects to", (registry, request, isSecond) =>
            isSecond ? AnonymousTokens(registry.Second, request)
            : request.Authorization is null
            ? Challenge(Bearer(registry.Second.Host, PullScope))
            : Redirect($"http://{registry.Second.Host}{request.Path}"))
        { NamesSecond = true };
    }

    private const string PullScope = $",scope=\"repository:{FieldRegistry.Repository}:pull\"";

    private static Misbehaviour? AnonymousTokens(ScriptedOrigin at, OriginRequest request) =>
        request.IsToken() ? Token("anon") : request.Authorization == "Bearer anon" ? null : Challenge(Bearer(at.Host, PullScope));

    private static IEnumerable<FieldCase> SecondChallenges()
    {
        yield return new("a token of too small a scope, then a challenge with the right one", (registry, request, _) => request switch
        {
            _ when request.IsToken() => Token(request.Path.Contains("real", StringComparison.Ordinal) ? "good" : "small"),
            { Authorization: "Bearer good" } => null,
            { Authorization: "Bearer small" } =>
                Challenge(Bearer(registry.First.Host, ",scope=\"repository:real/web:pull\",error=\"insufficient_scope\"")),
            _ => Challenge(Bearer(registry.First.Host)),
        });
        yield return new("a token, then a Basic challenge", (registry, request, _) => request switch
        {
            _ when request.IsToken() => Token("small"),
            _ when request.Authorization == FieldRegistry.Basic => null,
            { Authorization: "Bearer small" } => Challenge("Basic realm=\"harbor\""),
            _ => Challenge(Bearer(registry.First.Host)),
        })
        { NeedsCredential = true, By = PulledBy.KuikOnly };
    }

    private static IEnumerable<FieldCase> ChallengesAtThePing() =>
        from scheme in Schemes
        from refusal in new (string Name, Misbehaviour Answer)[]
        {
            ("404 NAME_UNKNOWN", Misbehave.Say(404, """{"errors":[{"code":"NAME_UNKNOWN"}]}""")),
            ("404 MANIFEST_UNKNOWN", Misbehave.Say(404, """{"errors":[{"code":"MANIFEST_UNKNOWN"}]}""")),
            ("401 without a challenge", Misbehave.Answer(401)),
            ("403 with a Basic challenge", Misbehave.Answer(403, ("WWW-Authenticate", "Basic realm=\"x\""))),
            ("403 DENIED", Misbehave.Say(403, """{"errors":[{"code":"DENIED"}]}""")),
        }
        where scheme == "Basic" || !refusal.Name.Contains("Basic", StringComparison.Ordinal)
        select new FieldCase($"a {scheme} challenge at /v2/ only, {refusal.Name} without it", (registry, request, _) => request switch
        {
            _ when request.IsToken() => request.Authorization == FieldRegistry.Basic ? Token("good") : Misbehave.Answer(401),
            _ when request.Authorization == (scheme == "Basic" ? FieldRegistry.Basic : "Bearer good") => null,
            _ when request.IsPing() => Challenge(scheme == "Basic" ? "Basic realm=\"x\"" : Bearer(registry.First.Host)),
            _ => refusal.Answer,
        })
        { NeedsCredential = true };

    private static IEnumerable<FieldCase> Codings() =>
        from always in Either
        from hasDigest in Either
        select new FieldCase(
            $"gzip {(always ? "whatever the client accepts" : "unless the client asks for identity")}, {(hasDigest ? "with" : "without")} "
                + "a digest", (_, request, _) =>
            request.IsManifest()
                ? Gzipped(MediaTypes.OciManifest, always, hasDigest)
                : request.IsBlob()
                ? Gzipped("application/octet-stream", always, hasDigest)
                : null);

    private static IEnumerable<FieldCase> Heads()
    {
        foreach (var status in (int[])[400, 401, 403, 404, 405, 500, 501])
            yield return new($"HEAD answers {status}, GET the image", (_, request, _) => request.Method == "HEAD"
                ? Misbehave.Answer(status)
                : null);
        yield return new("HEAD answers with length 0", (_, request, _) =>
            request.Method == "HEAD"
                ? Head(MediaTypes.OciManifest, 0, request.IsManifest() && request.Target.Contains(':') ? request.Target : null)
                : null);
        yield return new("HEAD answers with another type and length than GET", (registry, request, _) =>
            request.Method == "HEAD" && request.IsManifest() ? Head("text/plain", 7, registry.Image.Digest) : null);
    }

    private static IEnumerable<FieldCase> Types()
    {
        (string? Type, PulledBy By)[] types =
        [
            (MediaTypes.OciManifest + "; charset=utf-8", PulledBy.Clients), (MediaTypes.OciManifest.ToUpperInvariant(), PulledBy.Clients),
            (MediaTypes.DockerManifest, PulledBy.Clients), ("text/plain", PulledBy.KuikOnly),
            ("text/plain; charset=utf-8", PulledBy.KuikOnly),
            ("application/json", PulledBy.KuikOnly), ("application/json;charset=ISO-8859-1", PulledBy.KuikOnly),
            ("application/octet-stream", PulledBy.KuikOnly),
            (null, PulledBy.KuikOnly), ("garbage", PulledBy.KuikOnly), ("binary/octet-stream", PulledBy.KuikOnly),
            ("application/x-json", PulledBy.KuikOnly),
            ("application/vnd.docker.container.image.v1+json", PulledBy.KuikOnly), ("text/html", PulledBy.KuikOnly),
            (MediaTypes.OciIndex, PulledBy.KuikOnly),
        ];
        return types.Select(typed => new FieldCase(
            $"an OCI manifest as {typed.Type ?? "no type"}", (_, request, _) => request.IsManifest()
                ? As(typed.Type, TypedDigest(request))
                : null)
        { By = typed.By });
    }

    private static string? TypedDigest(OriginRequest request) => request.Target.Contains(':') ? request.Target : null;
}
