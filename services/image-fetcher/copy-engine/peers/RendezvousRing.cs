using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Selects the replica that fetches a blob, or a repository's manifests: rendezvous hashing of the digest or the name over the names of all
/// replicas, so that they agree without communication, and a replica that leaves moves only its own blobs. Liveness is found by the
/// requests themselves: a replica that refuses the connection is skipped; a slow one keeps its blobs, or each of them would be fetched
/// twice. A disagreement of two replicas for a moment costs nothing: see <see cref="PeerSpools"/>.
/// </summary>
internal sealed partial class RendezvousRing(ReplicaList replicas, TimeProvider time, ILogger<RendezvousRing> logger)
{
    /// <summary>The header of a request from another replica: the identity of its sender. Such a request is never forwarded.</summary>
    public const string FromHeader = "Kuik-From";

    /// <summary>
    /// The silence after which a replica counts as gone. A dead node does not refuse, it is silent; a busy one is never silent for so long.
    /// </summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long a replica is skipped. Asking one that refuses costs nothing; asking one that is silent costs its silence.
    /// </summary>
    private static readonly (TimeSpan Refusing, TimeSpan Silent) PassedOverFor = (TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));

    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _goneUntil = new();
    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _silentUntil = new();

    /// <summary>The identity of this process, new at each start.</summary>
    public string Identity => replicas.Identity;

    /// <summary>True once shutdown has begun: this process accepts no new work, and the others are asked before it.</summary>
    public bool IsDraining { get; set; }

    /// <summary>The replicas to ask, the owner first; null is this one, which is always among them.</summary>
    public async IAsyncEnumerable<Uri?> InOrder(string key, [EnumeratorCancellation] CancellationToken ct)
    {
        foreach (var replica in Rank(key, await replicas.All(ct)))
        {
            if (!replicas.IsSelf(replica.Address))
            {
                if (!IsPassedOver(replica.Address))
                    yield return replica.Address;
            }
            else if (!IsDraining)
                break;   // those after it follow only if this process were gone
        }
        yield return null;
    }

    /// <summary>
    /// The other replicas that may have a blob, the most likely first: owners before this one, the one after it; those that refused a
    /// moment ago, which may be back; and those that left the list a short while ago.
    /// </summary>
    public async Task<IReadOnlyList<Uri>> Others(string key, int most, CancellationToken ct)
    {
        var listed = Rank(key, await replicas.All(ct)).Select(replica => replica.Address).Where(IsAsked).ToLookup(IsPassedOver);
        return [.. listed[false].Take(most).Concat(listed[true]).Concat(replicas.Former.Where(IsAsked)).Distinct()];

        bool IsAsked(Uri address) => !replicas.IsSelf(address) && !IsSilent(address);
    }

    /// <summary>True when there is no other replica, now or a short while ago.</summary>
    public async Task<bool> IsAlone(CancellationToken ct) =>
        (await replicas.All(ct)).All(replica => replicas.IsSelf(replica.Address)) && !replicas.Former.Any();

    /// <summary>True for the address of a replica, now or a short while ago.</summary>
    public async Task<bool> IsReplica(Uri address, CancellationToken ct) =>
        (await replicas.All(ct)).Any(replica => replica.Address == address) || replicas.Former.Contains(address);

    /// <summary>This replica's own address, as the others know it; null while unknown.</summary>
    public Uri? Own => replicas.Own;

    /// <summary>The address of a process, by its <see cref="Identity"/>; null while unknown.</summary>
    public Uri? AddressOf(string identity) => replicas.AddressOf(identity);

    /// <summary>
    /// True for a request that this process sent itself. Replicas do not know their own address; such a request is answered 421.
    /// </summary>
    public bool IsFromSelf(HttpRequest request) => request.Headers[FromHeader] == Identity;

    /// <summary>True when the response shows that this process asked itself.</summary>
    public bool IsSelf(Uri replica, HttpResponseMessage answer)
    {
        if (answer.StatusCode != HttpStatusCode.MisdirectedRequest)
            return false;
        replicas.SawSelf(replica);
        return true;
    }

    /// <summary>
    /// Notes a failed request. The replica is skipped for a while only if it seems to be gone; after a broken transfer it is asked again.
    /// </summary>
    public void Failed(Uri replica, Exception why)
    {
        if (Causes(why).Any(cause => cause is OperationCanceledException or TimeoutException))
        {
            _silentUntil[replica] = time.GetUtcNow() + PassedOverFor.Silent;
            PassOver(replica, PassedOverFor.Silent, $"no answer within {Silence.TotalSeconds:0} s");
        }
        else if (Causes(why).Any(cause => cause is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError }))
            PassOver(replica, PassedOverFor.Refusing, why.Message);
    }

    /// <summary>All replicas in the order in which they own a key (highest random weight).</summary>
    public static IReadOnlyList<Replica> Rank(string key, IEnumerable<Replica> replicas) =>
        [.. replicas.OrderByDescending(replica => Weight(key, replica.Name))
            .ThenBy(replica => replica.Address.AbsoluteUri, StringComparer.Ordinal)];

    private static ulong Weight(string key, string name) =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{key} {name}")));

    private bool IsPassedOver(Uri replica) => _goneUntil.TryGetValue(replica, out var until) && until > time.GetUtcNow();

    private bool IsSilent(Uri replica) => _silentUntil.TryGetValue(replica, out var until) && until > time.GetUtcNow();

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

    [LoggerMessage(LogLevel.Warning, "Replica {Replica} is skipped for a moment: {Reason}")]
    private partial void LogPassedOver(Uri replica, string reason);
}
