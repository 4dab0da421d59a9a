using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Which replica fetches a blob, and which one a repository's manifests: rendezvous hashing of the digest or the name over all replicas, so that they agree without talking, and so that one that goes
/// takes only its own blobs along. Who is there is found by asking: a replica that does not answer is passed over for the next one.
/// </summary>
internal sealed partial class BlobOwners(CopyEngineSettings settings, HttpMessageInvoker peers, TimeProvider time, ILogger<BlobOwners> logger)
{
    /// <summary>Where a replica says who it is: that is how one finds itself among the addresses.</summary>
    public const string IdentityPath = "/kuik/replica";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan NamesAreGoodFor = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PassedOverFor = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<Uri, bool> _isSelf = new();
    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _silentUntil = new();
    private Resolved _resolved = new([], DateTimeOffset.MinValue);

    /// <summary>This process, anew at each start.</summary>
    public string Identity { get; } = Guid.NewGuid().ToString("n");

    /// <summary>The replicas to ask for this blob, the owner first; null stands for this one, which is always among them.</summary>
    public async IAsyncEnumerable<Uri?> InOrder(string key, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stop)
    {
        foreach (var replica in Rank(key, await Replicas(stop)))
        {
            if (_silentUntil.TryGetValue(replica, out var until) && until > time.GetUtcNow())
                continue;
            if (await IsSelf(replica, stop) is not { } isSelf)
                continue;
            if (isSelf)
                break;   // whoever comes after would come only if this process were gone
            yield return replica;
        }
        yield return null;
    }

    /// <summary>A replica did not answer, or broke off: it is passed over for a few seconds.</summary>
    public void PassOver(Uri replica, Exception why)
    {
        _silentUntil[replica] = time.GetUtcNow() + PassedOverFor;
        LogPassedOver(replica, why.Message);
    }

    /// <summary>All replicas in the order in which they own a key (highest random weight).</summary>
    public static IReadOnlyList<Uri> Rank(string key, IEnumerable<Uri> replicas) =>
        [.. replicas.OrderByDescending(replica => Weight(key, replica)).ThenBy(replica => replica.AbsoluteUri, StringComparer.Ordinal)];

    private static ulong Weight(string key, Uri replica) =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{key} {replica.GetLeftPart(UriPartial.Authority)}")));

    /// <summary>The addresses; one name alone stands for all addresses it has.</summary>
    private async Task<IReadOnlyList<Uri>> Replicas(CancellationToken stop)
    {
        if (settings.Peers is not [{ HostNameType: UriHostNameType.Dns } name])
            return settings.Peers;
        var now = time.GetUtcNow();
        if (_resolved.GoodUntil > now)
            return _resolved.Replicas;
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(name.Host, stop).WaitAsync(Patience, time, stop);
            _resolved = new Resolved([.. addresses.Select(address => new UriBuilder(name) { Host = address.ToString() }.Uri).Distinct()], now + NamesAreGoodFor);
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            LogUnresolved(name.Host, e.Message, _resolved.Replicas.Count);
            _resolved = _resolved with { GoodUntil = now + NamesAreGoodFor };
        }
        return _resolved.Replicas;
    }

    /// <summary>Is this address this process? Null when nobody answers there.</summary>
    private async Task<bool?> IsSelf(Uri replica, CancellationToken stop)
    {
        if (_isSelf.TryGetValue(replica, out var known))
            return known;
        using var deadline = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stop);
        try
        {
            using var ask = new HttpRequestMessage(HttpMethod.Get, new Uri(replica, IdentityPath));
            using var answer = await peers.SendAsync(ask, either.Token);
            answer.EnsureSuccessStatusCode();
            return _isSelf[replica] = await answer.Content.ReadAsStringAsync(either.Token) == Identity;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !stop.IsCancellationRequested)
        {
            if (e is OperationCanceledException)
                PassOver(replica, new TimeoutException($"no answer within {Patience.TotalSeconds:0} s"));
            return null;
        }
    }

    [LoggerMessage(LogLevel.Warning, "replica {Replica} is passed over for a moment: {Reason}")]
    private partial void LogPassedOver(Uri replica, string reason);

    [LoggerMessage(LogLevel.Warning, "the addresses of {Name} cannot be found ({Reason}): the last {Count} are used")]
    private partial void LogUnresolved(string name, string reason, int count);

    private sealed record Resolved(IReadOnlyList<Uri> Replicas, DateTimeOffset GoodUntil);
}
