using System.Net;
using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Reading from origins with whatever credentials the image's pods have: each in order, then none. The one that was let in is tried first
/// the next time; one that is rate limited is passed over while others are left.
/// </summary>
internal sealed class Origins(RegistryClient client, FindCredentials find, RateLimits limits)
{
    /// <summary>
    /// How many credentials one request is refused with before it fails: an image that is used in 200 namespaces must not cost 200 requests
    /// where its tag is missing. The next attempt begins with those that are left.
    /// </summary>
    internal const int MostRefusals = 5;

    private readonly Remembered<RegistryRepository, RegistryCredential?> _letIn = new(most: 4096);

    /// <summary>The credentials that were refused last, where others have not been tried yet.</summary>
    private readonly Remembered<RegistryRepository, IReadOnlyList<RegistryCredential?>> _refused = new(most: 1024);

    /// <exception cref="CopyFailed">The origin did not give it.</exception>
    public Task<Manifest> GetManifest(ImageReference image, CancellationToken stop) =>
        Try(image, credential => client.GetManifest(RegistryRepository.Of(image), image.Target, credential, stop), stop);

    /// <summary>What a tag or digest names, as a hint: null means to ask by GET, which also finds out which credential is let in.</summary>
    /// <exception cref="CopyFailed">The origin is rate limited.</exception>
    public async Task<ManifestHead?> HeadManifest(ImageReference image, CancellationToken stop)
    {
        var repository = RegistryRepository.Of(image);
        var candidates = await Candidates(image, stop);
        var credential = candidates[Math.Max(0, candidates.FindIndex(candidate => limits.PauseOf(repository.Host, candidate) is null))];
        limits.Pass(repository.Host, credential);
        try
        {
            return await client.HeadManifest(repository, image.Target, credential, stop);
        }
        catch (RegistryError e)
        {
            throw limits.Saw429(repository.Host, credential, e);
        }
    }

    /// <summary>The size of a blob; negative when the origin does not say.</summary>
    /// <exception cref="CopyFailed">The origin does not have it, or did not say.</exception>
    public Task<long> HeadBlob(ImageReference image, string digest, CancellationToken stop) => Try(image, async credential =>
        await client.HeadBlob(RegistryRepository.Of(image), digest, credential, stop)
            ?? throw new RegistryError(RegistryErrorKind.Gone, $"{image.Name} has no blob {digest}", HttpStatusCode.NotFound), stop);

    /// <summary>Begins to get a blob.</summary>
    /// <exception cref="CopyFailed">The origin did not give it.</exception>
    public Task<BlobBody> OpenBlob(ImageReference image, string digest, long from, CancellationToken stop) => Try(image, credential =>
        client.OpenBlob(RegistryRepository.Of(image), digest, from == 0 ? null : new RangeHeaderValue(from, null), credential, stop), stop);

    /// <summary>What refers to a manifest (an image by digest), as the origin lists it; null when it does not have that API.</summary>
    /// <exception cref="CopyFailed">The origin did not say.</exception>
    public Task<Manifest?> GetReferrers(ImageReference image, CancellationToken stop) => TryToFind(image, credential =>
        client.GetReferrers(RegistryRepository.Of(image), image.Digest!, credential, stop), stop);

    /// <summary>A manifest that the origin may well not have; null then. By GET at once: only that can say that there is none.</summary>
    /// <exception cref="CopyFailed">The origin did not say.</exception>
    public Task<Manifest?> FindManifest(ImageReference image, CancellationToken stop) => TryToFind<Manifest>(image, async credential =>
        await client.GetManifest(RegistryRepository.Of(image), image.Target, credential, stop), stop);

    /// <summary>What there is now to show to this image's origin.</summary>
    public Task<IReadOnlyList<RegistryCredential>> Credentials(ImageReference image, CancellationToken stop) => find(image, stop);

    /// <summary>Whoever was let in before is believed when told that there is no such thing: what is usually not there must not be asked for with every credential.</summary>
    private async Task<T?> TryToFind<T>(ImageReference image, Func<RegistryCredential?, Task<T?>> attempt, CancellationToken stop) where T : class
    {
        var wasLetIn = _letIn.TryGet(RegistryRepository.Of(image), out var letIn);
        try
        {
            return await Try(image, async credential =>
            {
                try
                {
                    return await attempt(credential);
                }
                catch (RegistryError e) when (e.Kind == RegistryErrorKind.Gone && wasLetIn && credential == letIn)
                {
                    return null;
                }
            }, stop);
        }
        catch (CopyFailed e) when (e.Kind == CopyFailed.Gone)
        {
            return null;
        }
    }

    /// <summary>
    /// In which order: what was let in before, if it still is among them; those that were not refused last; the pods' other ones. None
    /// (null) comes last, but among those that are tried at all.
    /// </summary>
    private async Task<List<RegistryCredential?>> Candidates(ImageReference image, CancellationToken stop)
    {
        var repository = RegistryRepository.Of(image);
        var candidates = (await find(image, stop)).Append(null).Distinct().ToList();
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

    private async Task<T> Try<T>(ImageReference image, Func<RegistryCredential?, Task<T>> attempt, CancellationToken stop)
    {
        // Only "not you", "no such thing" (which some registries say instead) and "not now" are worth another credential.
        var repository = RegistryRepository.Of(image);
        var refusals = new List<(RegistryCredential? Credential, RegistryError Error)>();
        CopyFailed? limited = null;
        var candidates = await Candidates(image, stop);
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
            catch (RegistryError e) when (e.Kind is RegistryErrorKind.Refused or RegistryErrorKind.Gone)
            {
                refusals.Add((credential, e));
            }
            catch (RegistryError e) when (e.Kind == RegistryErrorKind.RateLimited)
            {
                limited = Sooner(limited, limits.Saw429(repository.Host, credential, e));
            }
            catch (RegistryError e)
            {
                throw CopyFailed.AtOrigin(e);
            }
        }
        if (limited is not null)
            throw limited;
        _letIn.Forget(repository);
        throw Refusal(repository, refusals, candidates.Count);
    }

    private static CopyFailed Sooner(CopyFailed? one, CopyFailed other) => one is null || other.RetryAfter < one.RetryAfter ? other : one;

    /// <summary>What the origin said to the first one, which counts as said to all once each has been refused.</summary>
    private CopyFailed Refusal(
        RegistryRepository repository, List<(RegistryCredential? Credential, RegistryError Error)> refusals, int candidates)
    {
        var failure = CopyFailed.AtOrigin(refusals[0].Error);
        var before = _refused.TryGet(repository, out var known) ? known : [];
        var refused = before.Union(refusals.Select(refusal => refusal.Credential)).ToList();
        if (refused.Count >= candidates)
        {
            _refused.Forget(repository);
            return failure;
        }
        _refused.Set(repository, refused);
        return refusals.TrueForAll(refusal => refusal.Error.Kind == RegistryErrorKind.Refused)
            ? new CopyFailed(
                failure.Kind,
                $"{failure.Message} ({refused.Count} of {candidates} credentials were refused; the next attempt tries others)",
                retryHelps: true, failure.RetryAfter, failure.Status, refusals[0].Error)
            : failure;
    }
}
