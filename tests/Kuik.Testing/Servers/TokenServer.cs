using System.Buffers.Text;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.Testing;

/// <summary>
/// Issues bearer tokens for a registry, as Docker Hub's or a cloud's own server does. A fake, because no Debian package does it; it is real
/// on the wire, and its signatures are verified by the real registry.
/// </summary>
public sealed class TokenServer
{
    /// <summary>The service that tokens are for.</summary>
    public const string Audience = "kuik-tests";

    public const string Issuer = "kuik-tests-issuer";

    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 certificate;
    private readonly int port = FreePort.Next();
    private readonly IReadOnlyDictionary<string, string> passwords;
    private readonly List<string> issued = [];

    private TokenServer(IReadOnlyDictionary<string, string> passwords)
    {
        this.passwords = passwords;
        certificate = new CertificateRequest("CN=kuik-tests-issuer", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(365));
    }

    /// <summary>The address for token requests.</summary>
    public Uri Realm => new($"http://127.0.0.1:{port}/token");

    /// <summary>The certificate that the registry trusts.</summary>
    public string CertificatePem => certificate.ExportCertificatePem();

    /// <summary>Repositories that may be pulled without credentials. Default none.</summary>
    public ICollection<string> Public { get; } = new HashSet<string>();

    /// <summary>How long tokens last. Default 5 minutes.</summary>
    public TimeSpan Lifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>The tokens issued so far: <c>user scope</c> each, the user empty for anonymous.</summary>
    public IReadOnlyList<string> Issued
    {
        get
        {
            lock (issued)
                return [.. issued];
        }
    }

    /// <summary>Starts one.</summary>
    /// <param name="passwords">By user; each of them may do everything.</param>
    public static async Task<TokenServer> Start(IReadOnlyDictionary<string, string> passwords)
    {
        var server = new TokenServer(passwords);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add($"http://127.0.0.1:{server.port}");
        app.MapGet("/token", server.Answer);
        await app.StartAsync();
        return server;
    }

    /// <summary>An administrator's token, for pushing images into the registry.</summary>
    internal string TokenForEverything(string repository) =>
        Sign("administrator", [new { type = "repository", name = repository, actions = "pull push delete".Split(' ') }]);

    private IResult Answer(HttpRequest request)
    {
        if (UserOf(request) is not { } user)
            return Results.Json(new { errors = new[] { new { code = "UNAUTHORIZED", message = "wrong user or password" } } },
                statusCode: 401);
        var access = request.Query["scope"].SelectMany(scopes => scopes!.Split(' ')).Select(scope => Grant(user, scope)).ToList();
        lock (issued)
            issued.Add($"{user} {request.Query["scope"]}");
        return Results.Json(new { token = Sign(user, access), expires_in = (int)Lifetime.TotalSeconds });
    }

    /// <summary>Empty for anonymous; null for wrong credentials.</summary>
    private string? UserOf(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString();
        if (!header.StartsWith("Basic ", StringComparison.Ordinal))
            return "";
        var pair = Encoding.UTF8.GetString(Convert.FromBase64String(header["Basic ".Length..])).Split(':', 2);
        return passwords.TryGetValue(pair[0], out var password) && pair[1] == password ? pair[0] : null;
    }

    private object Grant(string user, string scope)
    {
        // repository:NAME:ACTIONS; a name may hold colons
        var (first, last) = (scope.IndexOf(':', StringComparison.Ordinal), scope.LastIndexOf(':'));
        var name = scope[(first + 1)..last];
        string[] actions = user != "" ? scope[(last + 1)..].Split(',') : Public.Contains(name) ? ["pull"] : [];
        return new { type = scope[..first], name, actions };
    }

    private string Sign(string user, List<object> access)
    {
        var now = DateTimeOffset.UtcNow;
        var header = Part(new { typ = "JWT", alg = "ES256", x5c = new[] { Convert.ToBase64String(certificate.RawData) } });
        var claims = Part(new
        {
            iss = Issuer,
            sub = user,
            aud = Audience,
            exp = (now + Lifetime).ToUnixTimeSeconds(),
            nbf = now.AddSeconds(-10).ToUnixTimeSeconds(),
            iat = now.ToUnixTimeSeconds(),
            jti = Guid.NewGuid().ToString("N"),
            access,
        });
        var signature = key.SignData(Encoding.ASCII.GetBytes($"{header}.{claims}"), HashAlgorithmName.SHA256);
        return $"{header}.{claims}.{Base64Url.EncodeToString(signature)}";
    }

    private static string Part(object value) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value));
}
