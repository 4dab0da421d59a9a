using System.Net;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The connection to the cache registry: its own address, TLS with a verified certificate unless that is <c>http://</c>,
/// and its credential.
/// </summary>
internal sealed class CacheConnection(CopyEngineOptions options, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan[] PausesOfRetries =
        [TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(500)];

    private readonly PasswordFileCredential _credential = new(options.CacheCredential, options.CachePasswordFile, time);

    public RegistryClient Client { get; } = new(RegistryEndpoints.At(options.CacheEndpoint), options.Roots, time, RegistryNetwork.Own);

    /// <summary>Host and port.</summary>
    public string Host { get; } = RegistryEndpoints.HostOf(options.CacheEndpoint);

    /// <summary>The current credential; null for anonymous. Read it again for each call.</summary>
    public RegistryCredential? Credential => _credential.Current;

    /// <summary>True for an address with the registry's own scheme, host and port; the credential is sent only there.</summary>
    public bool IsOwn(Uri address) =>
        address.GetLeftPart(UriPartial.Authority) == options.CacheEndpoint.GetLeftPart(UriPartial.Authority);

    public RegistryRepository At(string repository) => new(Host, repository);

    public RegistryCall Write(HttpMethod method, string repository, string path) =>
        new(method, At(repository), path) { Credential = Credential, Actions = "pull,push" };

    /// <summary>A call for a page of the list of repositories.</summary>
    public RegistryCall Catalog(string query) => new(HttpMethod.Get, At("_catalog"), "")
    {
        Address = new Uri(options.CacheEndpoint, $"/v2/_catalog?{query}"),
        Credential = Credential,
    };

    /// <summary>Runs a call to the registry; repeats it once if a credential is refused that has been replaced meanwhile.</summary>
    /// <exception cref="CopyException">The call failed.</exception>
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

    /// <summary>The same, with null for 404.</summary>
    /// <exception cref="CopyException">The call failed.</exception>
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
    /// Retries a repeatable request that fails because another replica is writing a file that it needs: the link of a blob that is read, or
    /// that a manifest refers to. Distribution answers it with 500, or with 400 for a manifest that is put.
    /// </summary>
    /// <exception cref="RegistryException">All attempts failed.</exception>
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

    // Distribution writes the link of a blob in place. A manifest put while another replica uploads the same blob finds the link empty,
    // which is not a digest, and is refused with both codes; if the blob is really missing, the second code stands alone.
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
