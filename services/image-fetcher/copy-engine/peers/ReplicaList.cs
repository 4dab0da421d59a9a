using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kuik.Oci;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The replicas of <c>Kuik:Fetcher:Peers</c> and their names. A DNS name is resolved again every five seconds, in the background: requests
/// use the last list meanwhile.
/// </summary>
internal sealed partial class ReplicaList(CopyEngineOptions options, HttpMessageInvoker peers, TimeProvider time,
    ILogger<ReplicaList> logger)
{
    private const string Path = "/kuik/replica";

    /// <summary>How long the first requests wait for the addresses, and then for the names.</summary>
    private static readonly (TimeSpan Addresses, TimeSpan Names) FirstPatience = (TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(500));

    private static readonly TimeSpan AddressesAreGoodFor = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan NamesAreGoodFor = TimeSpan.FromSeconds(30);

    /// <summary>How long a replica that left the list is asked for its running downloads: as long as its shutdown may take.</summary>
    private static readonly TimeSpan FormerFor = TimeSpan.FromMinutes(10);

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<Uri, bool> _self = new();
    private readonly ConcurrentDictionary<Uri, ReplicaAnswer> _said = new();
    private readonly ConcurrentDictionary<Uri, DateTimeOffset> _left = new();
    private IReadOnlyList<Uri> _addresses = [];
    private DateTimeOffset _goodUntil;
    private DateTimeOffset _namesUntil;
    private Task? _refresh;

    /// <summary>The identity of this process, new at each start.</summary>
    public string Identity { get; } = Guid.NewGuid().ToString("n");

    /// <summary>This replica's own address, as the others know it; null while unknown.</summary>
    public Uri? Own => _self.Keys.FirstOrDefault();

    /// <summary>Addresses that left the list a short while ago.</summary>
    public IEnumerable<Uri> Former => _left.Where(left => left.Value > time.GetUtcNow()).Select(left => left.Key);

    /// <summary>All replicas, this one included; empty when it is alone.</summary>
    public async Task<IReadOnlyList<Replica>> All(CancellationToken ct)
    {
        Task? refresh;
        lock (_gate)
        {
            if (_refresh is null or { IsCompleted: true } && _goodUntil <= time.GetUtcNow())
                _refresh = Task.Run(Refresh, CancellationToken.None);
            refresh = _addresses.Count == 0 && options.Peers.Count > 0 ? _refresh : null;
        }
        if (refresh is not null)
            await refresh.WaitAsync(ct);
        return [.. _addresses.Select(address => new Replica(address, _said.GetValueOrDefault(address)?.Name ?? address.Authority))];
    }

    /// <summary>The last known address of the process with an <see cref="Identity"/>; null while unknown.</summary>
    public Uri? AddressOf(string identity) => _said.FirstOrDefault(said => said.Value.Identity == identity).Key;

    public bool IsSelf(Uri address) => _self.ContainsKey(address);

    /// <summary>Notes that an address is this process's own.</summary>
    public void SawSelf(Uri address) => _self[address] = true;

    /// <summary>Maps the endpoint that returns the name.</summary>
    public void Map(IEndpointRouteBuilder routes) => routes.MapGet(Path, () => TypedResults.Json(
        new ReplicaAnswer(options.Name, Identity), ReplicaJson.Default.ReplicaAnswer));

    private async Task Refresh()
    {
        var isFirst = _addresses.Count == 0;
        var found = await Find();
        foreach (var address in _addresses.Except(found))
            _left[address] = time.GetUtcNow() + FormerFor;
        foreach (var address in found)
            _left.TryRemove(address, out _);
        var isDue = _namesUntil <= time.GetUtcNow();
        if (isDue)
            _namesUntil = time.GetUtcNow() + NamesAreGoodFor;
        var asking = Task.WhenAll(found.Where(address => isDue || !_said.ContainsKey(address)).Select(AskName));
        if (isFirst)
            await asking.WaitAsync(FirstPatience.Names, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _addresses = found;
        _goodUntil = time.GetUtcNow() + AddressesAreGoodFor;
    }

    /// <summary>The IPv4 addresses, or else all: a dual-stack Service lists each replica twice.</summary>
    internal static IEnumerable<IPAddress> OneFamily(IReadOnlyList<IPAddress> all) =>
        all.Any(address => address.AddressFamily == AddressFamily.InterNetwork)
            ? all.Where(address => address.AddressFamily == AddressFamily.InterNetwork)
            : all;

    /// <summary>Resolves the addresses; a single name stands for all of its addresses.</summary>
    private async Task<IReadOnlyList<Uri>> Find()
    {
        if (options.Peers is not [{ HostNameType: UriHostNameType.Dns } name])
            return options.Peers;
        try
        {
            var all = await AddressResolver.Shared.Find(name.Host, CancellationToken.None).WaitAsync(FirstPatience.Addresses, time);
            return [.. OneFamily(all).Select(address => new UriBuilder(name) { Host = address.ToString() }.Uri).Distinct()];
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            LogUnresolved(name.Host, e.Message, _addresses.Count);
            return _addresses;
        }
    }

    private async Task AskName(Uri address)
    {
        using var limit = new CancellationTokenSource(AddressesAreGoodFor, time);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, Path));
            using var answer = await peers.SendAsync(request, limit.Token);
            if (!answer.IsSuccessStatusCode)
                return;
            if (await answer.Content.ReadFromJsonAsync(ReplicaJson.Default.ReplicaAnswer, limit.Token) is not { Name.Length: > 0 } said)
                return;
            _said[address] = said;
            if (said.Identity == Identity)
                SawSelf(address);
            else
                _self.TryRemove(address, out _);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or JsonException)
        {
            // It keeps its last name: requests for work decide whether it is gone.
        }
    }

    [LoggerMessage(LogLevel.Warning, "Addresses of {Name} not resolved ({Reason}); the last {Count} are used")]
    private partial void LogUnresolved(string name, string reason, int count);
}

/// <summary>A replica's answer to a request for its name.</summary>
/// <param name="Name"><c>Kuik:Fetcher:Name</c>.</param>
/// <param name="Identity">The identity of the process, new at each start.</param>
internal sealed record ReplicaAnswer(string Name, string Identity);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ReplicaAnswer))]
internal sealed partial class ReplicaJson : JsonSerializerContext;
