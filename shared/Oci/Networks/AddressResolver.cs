using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;

namespace Kuik.Oci;

/// <summary>A name was not resolved in time.</summary>
public sealed class AddressLookupException(string name, TimeSpan limit)
    : SocketException(
        (int)SocketError.TryAgain, $"the name {name} was not resolved within {limit.TotalSeconds:0} s: this machine's DNS does not answer");

/// <summary>
/// Resolves names with getaddrinfo on threads of its own. <see cref="Dns"/> blocks a thread of the pool for each name: with a name server
/// that does not answer, four names keep everything else in the pool waiting for three seconds, sixteen for twelve
/// (docs/decisions/0009-nothing-blocks.md).
/// </summary>
public sealed class AddressResolver
{
    /// <summary>The one of this process.</summary>
    public static readonly AddressResolver Shared = new(Dns.GetHostAddresses, TimeProvider.System);

    /// <summary>Lookups at a time; further names wait, within their limit.</summary>
    internal const int MaxLookups = 32;

    /// <summary>
    /// How long a caller waits. A lookup that takes longer goes on, and serves the next caller. Longer than the 5 seconds after which glibc
    /// asks the second name server.
    /// </summary>
    internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(8);

    /// <summary>
    /// How long an answer is used again: many connections are made at once, and the times of DNS records are unknown here.
    /// </summary>
    internal static readonly TimeSpan Freshness = TimeSpan.FromSeconds(5);

    private const int MaxKnownNames = 1000;
    private const int StackSize = 512 * 1024;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(10);
    private static readonly Meter Metrics = new("Kuik.Oci");

    private readonly object _lock = new();
    private readonly Queue<Lookup> _queue = new();
    private readonly Dictionary<string, Lookup> _running = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, Answer> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly Func<string, IPAddress[]> _lookUp;
    private readonly TimeProvider _time;
    private int _threads;

    static AddressResolver() => Metrics.CreateObservableGauge(
        "kuik_address_lookups", () => Shared.Running, description: "Host names that are being resolved, or wait for it.");

    /// <param name="lookUp">Blocks until it has the addresses of a name, or throws a <see cref="SocketException"/>.</param>
    /// <param name="time">The clock.</param>
    internal AddressResolver(Func<string, IPAddress[]> lookUp, TimeProvider time) => (_lookUp, _time) = (lookUp, time);

    private int Running
    {
        get
        {
            lock (_lock)
                return _running.Count;
        }
    }

    /// <summary>The addresses of a host name; of a literal address, itself.</summary>
    /// <exception cref="SocketException">The name has none, or (<see cref="AddressLookupException"/>) was not resolved within 8
    /// seconds.</exception>
    public async Task<IPAddress[]> Find(string name, CancellationToken ct)
    {
        if (IPAddress.TryParse(name, out var literal))
            return [literal];
        var lookup = Begin(name);
        try
        {
            return await lookup.Addresses.Task.WaitAsync(Limit, _time, ct);
        }
        catch (TimeoutException)
        {
            throw new AddressLookupException(name, Limit);
        }
    }

    /// <summary>For <see cref="SocketsHttpHandler.ConnectCallback"/>: connects to the first address of the host that answers.</summary>
    /// <exception cref="SocketException">None does, or there is none.</exception>
    public static async ValueTask<Stream> Connect(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var addresses = await Shared.Find(context.DnsEndPoint.Host, ct);
        if (addresses.Length == 0)
            throw new SocketException((int)SocketError.HostNotFound);
        var port = context.DnsEndPoint.Port;
        var (stream, _) = await HappyEyeballs.Connect(
            addresses, (address, stop) => RegistryNetwork.ConnectByTcp(new IPEndPoint(address, port), stop), HappyEyeballs.AttemptLimit,
            TimeProvider.System, ct);
        return stream;
    }

    private Lookup Begin(string name)
    {
        lock (_lock)
        {
            if (_known.TryGetValue(name, out var answer) && answer.Until > _time.GetUtcNow())
                return answer.Lookup;
            if (_running.TryGetValue(name, out var running))
                return running;
            var lookup = new Lookup(name);
            _running.Add(name, lookup);
            _queue.Enqueue(lookup);
            if (_threads < MaxLookups && _threads < _running.Count)
            {
                _threads++;
                new Thread(Work, StackSize) { IsBackground = true, Name = "address lookup" }.Start();
            }
            Monitor.Pulse(_lock);
            return lookup;
        }
    }

    private void Work()
    {
        while (TakeNext() is { } lookup)
            LookUp(lookup);
    }

    /// <summary>The next name; null when there has been none for a while, and the thread ends.</summary>
    private Lookup? TakeNext()
    {
        lock (_lock)
        {
            while (_queue.Count == 0)
            {
                if (Monitor.Wait(_lock, IdleLimit) || _queue.Count > 0)
                    continue;
                _threads--;
                return null;
            }
            return _queue.Dequeue();
        }
    }

    private void LookUp(Lookup lookup)
    {
        try
        {
            var addresses = _lookUp(lookup.Name);
            End(lookup, isKnown: true);
            lookup.Addresses.SetResult(addresses);
        }
        catch (Exception e)   // SocketException, or ArgumentException for what is no name: the caller's
        {
            End(lookup, isKnown: false);
            lookup.Addresses.SetException(e);
            _ = lookup.Addresses.Task.Exception;   // observed, if no caller waits any more
        }
    }

    private void End(Lookup lookup, bool isKnown)
    {
        lock (_lock)
        {
            _running.Remove(lookup.Name);
            if (_known.Count >= MaxKnownNames)
                _known.Clear();
            if (isKnown)
                _known[lookup.Name] = new Answer(lookup, _time.GetUtcNow() + Freshness);
        }
    }

    private sealed record Lookup(string Name)
    {
        public TaskCompletionSource<IPAddress[]> Addresses { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed record Answer(Lookup Lookup, DateTimeOffset Until);
}
