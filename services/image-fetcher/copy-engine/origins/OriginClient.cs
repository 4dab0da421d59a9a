using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Reads from origins with the credentials of the image's pods: each in order, then anonymously. The last accepted credential is tried
/// first the next time; a rate-limited one is passed over while others are left.
/// </summary>
internal sealed class OriginClient(RegistryClient client, FindCredentials find, RateLimits limits)
{
    /// <summary>
    /// The number of refused credentials after which one request fails: an image that is used in 200 namespaces must not cost 200 requests
    /// when its tag is missing. The next attempt begins with the remaining credentials.
    /// </summary>
    internal const int MostRefusals = 5;

    private readonly BoundedCache<RegistryRepository, RegistryCredential?> _letIn = new(most: 4096);

    /// <summary>The credentials that were refused last, where others have not been tried yet.</summary>
    private readonly BoundedCache<RegistryRepository, IReadOnlyList<RegistryCredential?>> _refused = new(most: 1024);

    /// <summary>The limit of concurrent manifest reads; null for none.</summary>
    public ManifestReadLimiter? Reads { get; init; }

    /// <summary>The allowed origins. Default all.</summary>
    public OriginRules Rules { get; init; } = OriginRules.AllowAll;

    /// <summary>Gets a manifest.</summary>
    /// <exception cref="CopyException">The origin did not serve it.</exception>
    public Task<Manifest> GetManifest(ImageReference image, CancellationToken ct) =>
        InTurn(image, ct => Try(
            image, credential => client.GetManifest(RegistryRepository.From(image), image.Target, credential, ct), ct), ct);

    /// <summary>The digest of a tag or digest, as a hint: null means to ask by GET, which also finds the accepted credential.</summary>
    /// <exception cref="CopyException">The origin is rate limited.</exception>
    public async Task<ManifestHead?> HeadManifest(ImageReference image, CancellationToken ct)
    {
        var repository = RegistryRepository.From(image);
        var candidates = await Candidates(image, ct);
        var credential = candidates[Math.Max(0, candidates.FindIndex(candidate => limits.PauseOf(repository.Host, candidate) is null))];
        limits.Pass(repository.Host, credential);
        try
        {
            return await client.HeadManifest(repository, image.Target, credential, ct);
        }
        catch (RegistryException e)
        {
            throw limits.Saw429(repository.Host, credential, e);
        }
    }

    /// <summary>The size of a blob; negative when the origin does not state it.</summary>
    /// <exception cref="CopyException">The origin does not have it, or did not answer.</exception>
    public Task<long> HeadBlob(ImageReference image, string digest, CancellationToken ct) => Try(image, async credential =>
        await client.HeadBlob(RegistryRepository.From(image), digest, credential, ct)
            ?? throw new RegistryException(RegistryErrorKind.Gone, $"{image.Name} has no blob {digest}", HttpStatusCode.NotFound), ct);

    /// <summary>Opens a blob for reading.</summary>
    /// <exception cref="CopyException">The origin did not serve it.</exception>
    public Task<BlobBody> OpenBlob(ImageReference image, string digest, long from, CancellationToken ct) => Try(image, credential =>
        client.OpenBlob(RegistryRepository.From(image), digest, from == 0 ? null : new RangeHeaderValue(from, null), credential, ct),
        ct);

    /// <summary>The referrers of a manifest (an image by digest), as the origin lists them; null when it does not have that API.</summary>
    /// <exception cref="CopyException">The origin did not answer.</exception>
    public Task<Manifest?> GetReferrers(ImageReference image, CancellationToken ct) => InTurn(image, ct => TryToFind(image, credential =>
        client.GetReferrers(RegistryRepository.From(image), image.Digest!, credential, ct), ct), ct);

    /// <summary>A manifest that the origin often does not have; null then. By GET at once: a HEAD request does not prove absence.</summary>
    /// <exception cref="CopyException">The origin did not answer.</exception>
    public Task<Manifest?> FindManifest(ImageReference image, CancellationToken ct) => InTurn(image, ct => TryToFind<Manifest>(
        image, async credential => await client.GetManifest(RegistryRepository.From(image), image.Target, credential, ct), ct), ct);

    /// <summary>The current credentials for this image's origin.</summary>
    public Task<IReadOnlyList<RegistryCredential>> Credentials(ImageReference image, CancellationToken ct) => find(image, ct);

    /// <summary>
    /// Tries to find something that is usually absent. A 404 for a credential that was accepted before is final: otherwise every credential
    /// would be tried.
    /// </summary>
    private async Task<T?> TryToFind<T>(ImageReference image, Func<RegistryCredential?, Task<T?>> attempt, CancellationToken ct) where T
        : class
    {
        var wasLetIn = _letIn.TryGet(RegistryRepository.From(image), out var letIn);
        try
        {
            return await Try(image, async credential =>
            {
                try
                {
                    return await attempt(credential);
                }
                catch (RegistryException e) when (e.Kind == RegistryErrorKind.Gone && wasLetIn && credential == letIn)
                {
                    return null;
                }
            }, ct);
        }
        catch (CopyException e) when (e.Kind == CopyException.Gone)
        {
            return null;
        }
    }

    private Task<T> InTurn<T>(ImageReference image, Func<CancellationToken, Task<T>> read, CancellationToken ct) =>
        Reads is null ? read(ct) : Reads.Run(image.Host, read, ct);

    /// <summary>
    /// The credentials in order: the last accepted one, if it is still among them; those not refused last; the pods' other ones. Anonymous
    /// access (null) comes last, but among those that are tried at all.
    /// </summary>
    private async Task<List<RegistryCredential?>> Candidates(ImageReference image, CancellationToken ct)
    {
        var repository = RegistryRepository.From(image);
        Rules.ThrowIfDenied(image);
        var candidates = (await find(image, ct)).Append(null).Distinct().ToList();
        if (_refused.TryGet(repository, out var refused))
            candidates = [.. candidates.Except(refused), .. candidates.Intersect(refused)];
        else if (candidates.Count > MostRefusals)
        {
            candidates.RemoveAt(candidates.Count - 1);
            candidates.Insert(MostRefusals - 1, null);
        }
        if (_letIn.TryGet(repository, out var before) && candidates.Remove(before))
            candidates.Insert(0, before);
        return candidates;
    }

    private async Task<T> Try<T>(ImageReference image, Func<RegistryCredential?, Task<T>> attempt, CancellationToken ct)
    {
        // Only "unauthorized", "not found" (which some registries answer instead) and "too many requests" justify another credential.
        var repository = RegistryRepository.From(image);
        var refusals = new List<(RegistryCredential? Credential, RegistryException Error)>();
        CopyException? limited = null;
        var candidates = await Candidates(image, ct);
        foreach (var credential in candidates)
        {
            if (refusals.Count == MostRefusals)
                break;
            if (limits.PauseOf(repository.Host, credential) is { } pause)
            {
                limited = Sooner(limited, pause);
                continue;
            }
            try
            {
                var got = await attempt(credential);
                _letIn.Set(repository, credential);
                _refused.Forget(repository);
                return got;
            }
            catch (RegistryException e) when (e.Kind is RegistryErrorKind.Refused or RegistryErrorKind.Gone)
            {
                refusals.Add((credential, e));
            }
            catch (RegistryException e) when (e.Kind == RegistryErrorKind.RateLimited)
            {
                limited = Sooner(limited, limits.Saw429(repository.Host, credential, e));
            }
            catch (RegistryException e)
            {
                throw CopyException.AtOrigin(e);
            }
        }
        if (limited is not null)
            throw limited;
        _letIn.Forget(repository);
        throw Refusal(repository, refusals, candidates.Count);
    }

    private static CopyException Sooner(CopyException? one, CopyException other) => one is null || other.RetryAfter < one.RetryAfter
        ? other
        : one;

    /// <summary>The origin's answer to the first credential, which counts for all once each has been refused.</summary>
    private CopyException Refusal(
        RegistryRepository repository, List<(RegistryCredential? Credential, RegistryException Error)> refusals, int candidates)
    {
        var failure = CopyException.AtOrigin(refusals[0].Error);
        var before = _refused.TryGet(repository, out var known) ? known : [];
        var refused = before.Union(refusals.Select(refusal => refusal.Credential)).ToList();
        if (refused.Count >= candidates)
        {
            _refused.Forget(repository);
            return failure;
        }
        _refused.Set(repository, refused);
        return refusals.TrueForAll(refusal => refusal.Error.Kind == RegistryErrorKind.Refused)
            ? new CopyException(
                failure.Kind,
                $"{failure.Message} ({refused.Count} of {candidates} credentials were refused; the next attempt tries others)",
                retryHelps: true, failure.RetryAfter, failure.Status, refusals[0].Error)
            : failure;
    }
}
