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
/// Which replica fetches a blob, and which one a repository's manifests: rendezvous hashing of the digest or the name over the names of all
/// replicas, so that they agree without talking, and so that one that goes takes only its own blobs along. Which of them are alive is found
/// by asking for the work itself: a replica that refuses the connection is passed over; a busy one that only takes its time keeps what it
/// owns, or each of its blobs would be fetched twice. Two replicas that disagree for a moment cost nothing: see <see cref="PeerSpools"/>.
/// </summary>
internal sealed partial class RendezvousRing(ReplicaList replicas, TimeProvider time, ILogger<RendezvousRing> logger)
{
    /// <summary>On a request from another replica: which process sent it. It is never passed on again.</summary>
    public const string FromHeader = "Kuik-From";

    /// <summary>
    /// How long a replica may be silent before it counts as gone. A dead node does not refuse, it is silent; a busy one is never silent for
    /// so long.
    /// </summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(20);

    /// <summary>Asking one that refuses costs nothing; asking one that is silent costs its silence.</summary>
    private static readonly (TimeSpan Refusing, TimeSpan Silent) PassedOverFor = (TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));

    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _goneUntil = new();
    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _silentUntil = new();

    /// <summary>This process, anew at each start.</summary>
    public string Identity => replicas.Identity;

    /// <summary>True once this process has been told to stop: it takes nothing new on, and the others are asked before it.</summary>
    public bool IsDraining { get; set; }

    /// <summary>The replicas to ask, the owner first; null stands for this one, which is always among them.</summary>
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
                break;   // those behind it come only if this process were gone
        }
        yield return null;
    }

    /// <summary>
    /// The other replicas that may have a blob, the likeliest first: owners before this one, the one after it; those that refused a moment
    /// ago, which may be back; and those that have left the list a short while ago.
    /// </summary>
    public async Task<IReadOnlyList<Uri>> Others(string key, int most, CancellationToken ct)
    {
        var listed = Rank(key, await replicas.All(ct)).Select(replica => replica.Address).Where(IsAsked).ToLookup(IsPassedOver);
        return [.. listed[false].Take(most).Concat(listed[true]).Concat(replicas.Former.Where(IsAsked)).Distinct()];

        bool IsAsked(Uri address) => !replicas.IsSelf(address) && !IsSilent(address);
    }

    /// <summary>Is there no other replica, now or a short while ago?</summary>
    public async Task<bool> IsAlone(CancellationToken ct) =>
        (await replicas.All(ct)).All(replica => replicas.IsSelf(replica.Address)) && !replicas.Former.Any();

    /// <summary>Is this the address of a replica, now or a short while ago?</summary>
    public async Task<bool> IsReplica(Uri address, CancellationToken ct) =>
        (await replicas.All(ct)).Any(replica => replica.Address == address) || replicas.Former.Contains(address);

    /// <summary>This replica's own address, as the others know it; null while it is not known.</summary>
    public Uri? Own => replicas.Own;

    /// <summary>Where a process listens, by its <see cref="Identity"/>; null while that is not known.</summary>
    public Uri? AddressOf(string identity) => replicas.AddressOf(identity);

    /// <summary>Was the request sent by this process itself? The answer is 421: its own address is not known otherwise.</summary>
    public bool IsFromSelf(HttpRequest request) => request.Headers[FromHeader] == Identity;

    /// <summary>Does the answer say that this process asked itself?</summary>
    public bool IsSelf(Uri replica, HttpResponseMessage answer)
    {
        if (answer.StatusCode != HttpStatusCode.MisdirectedRequest)
            return false;
        replicas.SawSelf(replica);
        return true;
    }

    /// <summary>
    /// A replica did not do what it was asked for. Only if that means that it is gone, it is passed over for a while: one that broke off is
    /// asked again.
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

    [LoggerMessage(LogLevel.Warning, "replica {Replica} is passed over for a moment: {Reason}")]
    private partial void LogPassedOver(Uri replica, string reason);
}
