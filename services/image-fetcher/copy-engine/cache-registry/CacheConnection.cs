using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// How the cache registry is asked: at its own address, over TLS with a verified certificate unless that is <c>http://</c>, with its
/// credential.
/// </summary>
internal sealed class CacheConnection(CopyEngineOptions settings, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan[] PausesOfRetries = [TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(500)];

    private readonly PasswordFileCredential _credential = new(settings.CacheCredential, settings.CachePasswordFile, time);

    public RegistryClient Client { get; } = new(RegistryEndpoints.At(settings.CacheEndpoint), settings.Roots, time, RegistryNetwork.Own);

    /// <summary>Host and port.</summary>
    public string Host { get; } = RegistryEndpoints.HostOf(settings.CacheEndpoint);

    /// <summary>What to show now; null for nothing. Read it anew for each call.</summary>
    public RegistryCredential? Credential => _credential.Current;

    /// <summary>Is this at the registry's own scheme, host and port? Only there its credential goes.</summary>
    public bool IsOwn(Uri address) =>
        address.GetLeftPart(UriPartial.Authority) == settings.CacheEndpoint.GetLeftPart(UriPartial.Authority);

    public RegistryRepository At(string repository) => new(Host, repository);

    public RegistryCall Write(HttpMethod method, string repository, string path) =>
        new(method, At(repository), path) { Credential = Credential, Actions = "pull,push" };

    /// <summary>Does something with the registry; once more where it refuses a credential that has been replaced.</summary>
    /// <exception cref="CopyException">It failed.</exception>
    public async Task<T> Ask<T>(Func<Task<T>> work)
    {
        try
        {
            return await WithCredential(work);
        }
        catch (RegistryException e) when ((int?)e.Status is >= 300 and < 400)
        {
            throw new CopyException(
                CopyException.Cache,
                $"the cache registry: {e.Message}; no write is redirected: Kuik:Cache:Endpoint must be the address that it redirects to",
                retryHelps: true, status: e.Status, inner: e);
        }
        catch (RegistryException e)
        {
            throw CopyException.AtCache(e);
        }
    }

    /// <summary>The same of what may not be there: null then.</summary>
    /// <exception cref="CopyException">It failed.</exception>
    public async Task<T?> OrNull<T>(Func<Task<T?>> work)
    {
        try
        {
            return await WithCredential(work);
        }
        catch (RegistryException e) when (e.Kind == RegistryErrorKind.Gone)
        {
            return default;
        }
        catch (RegistryException e)
        {
            throw CopyException.AtCache(e);
        }
    }

    /// <summary>
    /// A request that may be repeated; again where another replica writes a file that it needs at that moment, which distribution answers
    /// with 500, or with 400 for a manifest that is put: the link of a blob that is read, or that a manifest names.
    /// </summary>
    /// <exception cref="RegistryException">It failed.</exception>
    public async Task<T> Retry<T>(Func<Task<T>> work, CancellationToken ct)
    {
        foreach (var pause in PausesOfRetries)
            try
            {
                return await work();
            }
            catch (RegistryException e) when (e.Status == HttpStatusCode.InternalServerError || IsLinkBeingWritten(e))
            {
                await Task.Delay(pause, time, ct);
            }
        return await work();
    }

    public void Dispose() => Client.Dispose();

    // Distribution writes the link of a blob in place. A manifest that is put while another replica uploads the same blob finds the link
    // empty, which is no digest, and is refused; one whose blob is really missing has the second code alone.
    private static bool IsLinkBeingWritten(RegistryException e) =>
        e.Status == HttpStatusCode.BadRequest && e.Message.Contains("DIGEST_INVALID", StringComparison.Ordinal)
        && e.Message.Contains("MANIFEST_BLOB_UNKNOWN", StringComparison.Ordinal);

    private async Task<T> WithCredential<T>(Func<Task<T>> work)
    {
        var used = Credential;
        try
        {
            return await work();
        }
        catch (RegistryException e) when (e.Kind == RegistryErrorKind.Refused && _credential.IsReplaced(used))
        {
            return await work();
        }
    }
}
