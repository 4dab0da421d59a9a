using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>The recipients of the cache registry's password.</summary>
public sealed class CacheRegistryTests : IDisposable
{
    private static readonly string Right = BasicOf("kuik", "writes-everything");
    private static readonly byte[] Bytes = "x"u8.ToArray();

    private readonly string folder = Directory.CreateTempSubdirectory("kuik-cache-").FullName;
    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task An_impostor_with_a_certificate_of_its_own_gets_no_password()
    {
        await using var impostor = await ScriptedOrigin.Start(new CertificateAuthority("impostor").Issue("CN=another", "127.0.0.1"));
        impostor.Script = WantsPassword();
        using var cache = new CacheRegistry(Settings($"https://{impostor.Host}"), TimeProvider.System);

        var failure = await Assert.ThrowsAsync<CopyException>(() => cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop));

        Assert.Equal(CopyException.Cache, failure.Kind);
        Assert.Contains("is not trusted", failure.Message, StringComparison.Ordinal);
        Assert.Empty(impostor.Ledger);
    }

    [Fact]
    public async Task A_certificate_of_an_authority_that_is_named_is_accepted()
    {
        var authority = new CertificateAuthority("Corp Root");
        await using var registry = await ScriptedOrigin.Start(authority.Issue("CN=cache", "127.0.0.1"));
        registry.Script = WantsPassword();
        var settings = Settings($"https://{registry.Host}") with { Roots = [X509Certificate2.CreateFromPem(authority.Pem)] };
        using var cache = new CacheRegistry(settings, TimeProvider.System);

        Assert.False(await cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop));

        Assert.Contains(registry.Ledger, request => request.Authorization == Right);
    }

    [Fact]
    public async Task A_cache_without_TLS_may_have_a_token_server_without_TLS()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = request => request.Path.StartsWith("/token", StringComparison.Ordinal) ? Misbehave.Say(200, """{"token":"t"}""")
            : request.Authorization == "Bearer t" ? Misbehave.Answer(200)
            : Misbehave.Answer(401, ("WWW-Authenticate", $"Bearer realm=\"http://{registry.Host}/token\""));
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        Assert.True(await cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop));
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public async Task A_registry_that_is_writing_what_it_is_asked_for_is_asked_again(int refusals, bool comes)
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = request => Misbehave.Answer(request.Count < refusals ? 500 : 200);
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        var asked = cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop);

        if (comes)
            Assert.True(await asked);
        else
            Assert.Equal(HttpStatusCode.InternalServerError, (await Assert.ThrowsAsync<CopyException>(() => asked)).Status);
        Assert.Equal(Math.Min(refusals + 1, 4), registry.Ledger.Count);
    }

    [Fact]
    public async Task A_manifest_is_stored_once_more_while_another_replica_writes_the_link_of_a_blob_it_names()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = request => request.Method == "PUT" ? Misbehave.Answer(request.Count < 2 ? 500 : 201) : null;
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        var error = await Assert.ThrowsAsync<CopyException>(() => cache.PutManifest("a/b", "1", Bytes, MediaTypes.OciManifest, Stop));

        Assert.Contains("serves nothing there", error.Message);   // it is not stored by this stand-in, but it was accepted
        Assert.Equal(3, registry.Ledger.Count(request => request.Method == "PUT"));
    }

    [Fact]
    public async Task A_password_file_that_changes_is_read_again()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = _ => Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""));
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}", passwordFile: Write("old\n")), time);
        await Refused(cache);
        Write("new\n");
        time.Advance(TimeSpan.FromSeconds(10));
        var before = registry.Ledger.Count;

        await Refused(cache);

        var shown = registry.Ledger.Skip(before).Select(request => request.Authorization).OfType<string>();
        Assert.Equal([BasicOf("kuik", "new")], shown.Distinct());
    }

    [Fact]
    public async Task A_refused_password_is_read_again_at_once_and_the_call_succeeds()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = WantsPassword(200);
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}", passwordFile: Write("old\n")), time);
        Write("writes-everything\n");
        time.Advance(TimeSpan.FromSeconds(2));

        Assert.True(await cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_password_file_that_is_missing_or_empty_for_a_moment_leaves_the_last_password(bool isThere)
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = WantsPassword(200);
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}", passwordFile: Write("writes-everything\n")), time);
        if (isThere)
            Write("");
        else
            File.Delete(Path.Combine(folder, "password"));
        time.Advance(TimeSpan.FromMinutes(1));

        Assert.True(await cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop));
    }

    [Fact]
    public async Task An_upload_that_goes_to_another_host_gets_no_password_and_no_answer_to_a_challenge()
    {
        await using var store = await ScriptedOrigin.Start();
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = WantsPassword(202, ("Location", $"http://{store.Host}/upload?signature=x"));
        store.Script = _ => Misbehave.Answer(201);
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        await cache.UploadSmall("a/b", Digest.Sha256(Bytes), Bytes, Stop);
        store.Script = request => request.Method == "PUT" ? Challenge : Misbehave.Answer(204);
        var failure = await Assert.ThrowsAsync<CopyException>(() => cache.UploadSmall("a/b", Digest.Sha256(Bytes), Bytes, Stop));

        Assert.Equal(["PUT", "PUT", "DELETE"], store.Ledger.Select(request => request.Method));
        Assert.All(store.Ledger, request => Assert.Null(request.Authorization));
        Assert.Contains($"it sent the upload to http://{store.Host}, which gets no password", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(307)]
    [InlineData(308)]
    public async Task An_upload_that_is_redirected_names_the_setting_to_change(int status)
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = _ => Misbehave.Answer(status, ("Location", "https://cache.example/v2/a/b/blobs/uploads/?signature=hidden"));
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        var failure = await Assert.ThrowsAsync<CopyException>(() => cache.UploadSmall("a/b", Digest.Sha256(Bytes), Bytes, Stop));

        Assert.Contains("to https://cache.example/v2/a/b/blobs/uploads/;", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Kuik:Cache:Endpoint must be the address that it redirects to", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(405)]
    public async Task A_mount_that_is_refused_is_no_failure_as_the_blob_can_be_uploaded(int status)
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = _ => Misbehave.Answer(status);
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        Assert.False(await cache.Mount("a/b", Digest.Sha256(Bytes), "a/c", Stop));
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task A_mount_that_fails_for_now_is_a_failure(int status)
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Script = _ => Misbehave.Answer(status);
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        await Assert.ThrowsAsync<CopyException>(() => cache.Mount("a/b", Digest.Sha256(Bytes), "a/c", Stop));
    }

    [Fact]
    public async Task A_tag_of_a_registry_that_does_not_delete_stays_what_it_is()
    {
        await using var registry = await ScriptedOrigin.Start();
        registry.Add("a/b", "1", TestImage.Small(seed: 1));
        registry.Script = request => request.Method switch
        {
            "DELETE" => Misbehave.Say(405, RegistryErrors.Body("UNSUPPORTED", "The operation is unsupported.")),
            "PUT" => Misbehave.Answer(201),
            _ => null,
        };
        using var cache = new CacheRegistry(Settings($"http://{registry.Host}"), TimeProvider.System);

        var failure = await Assert.ThrowsAsync<CopyException>(() => cache.RemoveTag("a/b", "1", Stop));

        Assert.EndsWith("the registry does not delete (distribution: storage.delete.enabled)", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(registry.Ledger, request => request.Method is "PUT" or "POST");
    }

    private static string BasicOf(string user, string password) =>
        "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));

    private static readonly Misbehaviour Challenge = Misbehave.Answer(401, ("WWW-Authenticate", "Basic realm=\"x\""));

    private static Func<OriginRequest, Misbehaviour?> WantsPassword(int status = 404, params (string Name, string Value)[] headers) =>
        request => request.Authorization == Right ? Misbehave.Answer(status, headers) : Challenge;

    private static async Task Refused(CacheRegistry cache) => Assert.Equal(
        HttpStatusCode.Unauthorized,
        (await Assert.ThrowsAsync<CopyException>(() => cache.HasBlob("a/b", Digest.Sha256(Bytes), Stop))).Status);

    private static CopyEngineOptions Settings(string endpoint, string? passwordFile = null) => CopyEngineOptions.From(
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Kuik:Cache:Endpoint"] = endpoint,
            ["Kuik:Cache:Username"] = "kuik",
            ["Kuik:Cache:Password"] = "writes-everything",
            ["Kuik:Cache:PasswordFile"] = passwordFile,
        }).Build());

    /// <summary>Writes the password file.</summary>
    /// <returns>Its path.</returns>
    private string Write(string content)
    {
        var file = Path.Combine(folder, "password");
        File.WriteAllText(file, content);
        return file;
    }
}
