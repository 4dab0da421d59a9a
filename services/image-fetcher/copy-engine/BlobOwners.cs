using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Kuik.Oci;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Which replica fetches a blob, and which one a repository's manifests: rendezvous hashing of the digest or the name over all replicas, so that they agree without talking, and so that one that goes
/// takes only its own blobs along. Who is there is found by asking for the work itself: a replica that refuses the connection is gone; a busy one that only takes its time keeps what it owns,
/// or each of its blobs would be fetched twice.
/// </summary>
internal sealed partial class BlobOwners(CopyEngineSettings settings, TimeProvider time, ILogger<BlobOwners> logger)
{
    /// <summary>On a request from another replica: which process sent it. The receiver is the owner, or is to act as if it were.</summary>
    public const string FromHeader = "Kuik-From";

    /// <summary>How long a replica may say nothing before it counts as gone. A dead node does not refuse, it is silent; a busy one is never silent for so long.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan NamePatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan NamesAreGoodFor = TimeSpan.FromSeconds(5);

    /// <summary>Asking one that refuses costs nothing; asking one that is silent costs its silence.</summary>
    private static readonly (TimeSpan Refusing, TimeSpan Silent) PassedOverFor = (TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));

    private readonly ConcurrentDictionary<Uri, bool> _self = new();
    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _goneUntil = new();
    private Resolved _resolved = new([], DateTimeOffset.MinValue);

    /// <summary>This process, anew at each start.</summary>
    public string Identity { get; } = Guid.NewGuid().ToString("n");

    /// <summary>The replicas to ask for this blob, the owner first; null stands for this one, which is always among them.</summary>
    public async IAsyncEnumerable<Uri?> InOrder(string key, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stop)
    {
        foreach (var replica in Rank(key, await Replicas(stop)))
        {
            if (_self.ContainsKey(replica))
                break;   // whoever comes after would come only if this process were gone
            if (!_goneUntil.TryGetValue(replica, out var until) || until <= time.GetUtcNow())
                yield return replica;
        }
        yield return null;
    }

    /// <summary>Has this process sent the request itself? It says so with a 421: one does not know one's own address otherwise.</summary>
    public bool IsFromSelf(HttpRequest request) => request.Headers[FromHeader] == Identity;

    /// <summary>Does the answer say that this process asked itself?</summary>
    public bool IsSelf(Uri replica, HttpResponseMessage answer) => answer.StatusCode == HttpStatusCode.MisdirectedRequest && (_self[replica] = true);

    /// <summary>A replica did not do what it was asked for. Only if that means that it is gone, it is passed over for a while: one that broke off is asked again.</summary>
    public void Failed(Uri replica, Exception why)
    {
        if (Causes(why).Any(cause => cause is OperationCanceledException or TimeoutException))
            PassOver(replica, PassedOverFor.Silent, $"no answer within {Silence.TotalSeconds:0} s");
        else if (Causes(why).Any(cause => cause is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError }))
            PassOver(replica, PassedOverFor.Refusing, why.Message);
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
            var addresses = await AddressResolver.Shared.Find(name.Host, stop).WaitAsync(NamePatience, time, stop);
            _resolved = new Resolved([.. addresses.Select(address => new UriBuilder(name) { Host = address.ToString() }.Uri).Distinct()], now + NamesAreGoodFor);
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            LogUnresolved(name.Host, e.Message, _resolved.Replicas.Count);
            _resolved = _resolved with { GoodUntil = now + NamesAreGoodFor };
        }
        return _resolved.Replicas;
    }

    private void PassOver(Uri replica, TimeSpan pause, string why)
    {
        _goneUntil[replica] = time.GetUtcNow() + pause;
        LogPassedOver(replica, why);
    }

    private static IEnumerable<Exception> Causes(Exception? fault)
    {
        for (; fault is not null; fault = fault.InnerException)
            yield return fault;
    }

    [LoggerMessage(LogLevel.Warning, "replica {Replica} is passed over for a moment: {Reason}")]
    private partial void LogPassedOver(Uri replica, string reason);

    [LoggerMessage(LogLevel.Warning, "the addresses of {Name} cannot be found ({Reason}): the last {Count} are used")]
    private partial void LogUnresolved(string name, string reason, int count);

    private sealed record Resolved(IReadOnlyList<Uri> Replicas, DateTimeOffset GoodUntil);
}
