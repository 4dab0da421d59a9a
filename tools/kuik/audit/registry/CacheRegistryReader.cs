using System.Text.Json;
using Kuik.Oci;

namespace Kuik.CommandLine.Audit;

/// <summary>Reads the cache registry as node-proxy would, no faster than a rate. It asks for manifests, lists and names of blobs.</summary>
internal sealed class CacheRegistryReader : IDisposable
{
    private const int PageSize = 1000;

    /// <summary>In bytes: a registry without pagination lists everything at once.</summary>
    private const int LargestList = 8 * 1024 * 1024;

    private readonly Uri _address;
    private readonly RegistryCredential? _credential;
    private readonly TimeSpan _interval;
    private readonly string _host;
    private readonly RegistryClient _client;
    private long _last;

    /// <param name="address">The registry.</param>
    /// <param name="credential">Null for none.</param>
    /// <param name="rate">Requests a second at most.</param>
    public CacheRegistryReader(Uri address, RegistryCredential? credential, double rate)
    {
        (_address, _credential, _interval) = (address, credential, TimeSpan.FromSeconds(1 / rate));
        _host = RegistryEndpoints.HostOf(address);
        _client = new RegistryClient(RegistryEndpoints.At(address), [], TimeProvider.System, RegistryNetwork.Own);
    }

    /// <summary>The manifest or index as the origin serves it; null when it is not stored, or an evicted tag's tombstone.</summary>
    /// <param name="repository">A path of the cache.</param>
    /// <param name="target">A tag, or a digest of the origin's.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="RegistryException">The registry does not answer, or not with a manifest.</exception>
    public async Task<Manifest?> Find(string repository, string target, CancellationToken ct)
    {
        var tag = target.Contains(':', StringComparison.Ordinal) ? CacheTags.OfManifest(target) : target;
        var stored = await OrNull(() => _client.GetManifest(At(repository), tag, _credential, ct), ct);
        if (stored is null || ArtifactManifest.TypeOf(stored.Bytes) == Tombstone.ArtifactType)
            return null;
        if (IndexWrapper.Parse(stored.Bytes) is not { } wrapper)
            return stored;
        var index = await OrNull(() => ReadWhole(new RegistryCall(HttpMethod.Get, At(repository), "blobs/" + wrapper.Digest), ct), ct);
        return index is null || Digest.Compute(index, wrapper.Digest) != wrapper.Digest
            ? null
            : new Manifest(index, wrapper.MediaType, wrapper.Digest);
    }

    /// <summary>True when the registry has the blob, by HEAD.</summary>
    /// <exception cref="RegistryException">The registry does not answer.</exception>
    public async Task<bool> HasBlob(string repository, string digest, CancellationToken ct)
    {
        await Pace(ct);
        return await _client.HasBlob(At(repository), digest, _credential, ct);
    }

    /// <summary>All repositories, in the registry's order.</summary>
    /// <exception cref="RegistryException">The registry does not answer, or has no such list.</exception>
    public IAsyncEnumerable<string> Repositories(CancellationToken ct) => List("repositories", query =>
        new RegistryCall(HttpMethod.Get, At("_catalog"), "") { Address = new Uri(_address, $"/v2/_catalog?{query}") }, ct);

    /// <summary>All tags of a repository; none when it does not exist.</summary>
    /// <exception cref="RegistryException">The registry does not answer.</exception>
    public IAsyncEnumerable<string> Tags(string repository, CancellationToken ct) => List("tags", query =>
        new RegistryCall(HttpMethod.Get, At(repository), $"tags/list?{query}"), ct);

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private async IAsyncEnumerable<string> List(string field, Func<string, RegistryCall> call,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        for (var last = ""; ;)
        {
            var query = $"n={PageSize}" + (last.Length == 0 ? "" : $"&last={Uri.EscapeDataString(last)}");
            var body = await OrNull(() => ReadWhole(call(query), ct), ct);
            var names = body is null ? [] : Names(body, field);
            foreach (var name in names)
                yield return name;
            if (names.Count < PageSize || names[^1] == last)
                yield break;
            last = names[^1];
        }
    }

    private static IReadOnlyList<string> Names(byte[] body, string field)
    {
        try
        {
            using var json = UntrustedJson.ParseDocument(body);
            return json.RootElement.TryGetProperty(field, out var names) && names.ValueKind == JsonValueKind.Array
                ? [.. names.EnumerateArray().Select(name => name.GetString()).OfType<string>()]
                : [];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new RegistryException(RegistryErrorKind.Broken, $"the list of {field} of the cache registry is no such JSON");
        }
    }

    private async Task<byte[]> ReadWhole(RegistryCall call, CancellationToken ct) =>
        await _client.ReadWhole(await _client.Send(call with { Credential = _credential }, ct), LargestList, ct)
            ?? throw new RegistryException(RegistryErrorKind.Broken, $"{call.Path} has more than {LargestList >> 20} MiB");

    private async Task<T?> OrNull<T>(Func<Task<T>> work, CancellationToken ct) where T : class
    {
        await Pace(ct);
        try
        {
            return await work();
        }
        catch (RegistryException e) when (e.Kind == RegistryErrorKind.Gone)
        {
            return null;
        }
    }

    private async Task Pace(CancellationToken ct)
    {
        var rest = _interval - (_last == 0 ? _interval : TimeProvider.System.GetElapsedTime(_last));
        if (rest > TimeSpan.Zero)
            await Task.Delay(rest, TimeProvider.System, ct);
        _last = TimeProvider.System.GetTimestamp();
    }

    private RegistryRepository At(string repository) => new(_host, repository);
}
