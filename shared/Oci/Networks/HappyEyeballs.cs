using System.Net;
using System.Net.Sockets;

namespace Kuik.Oci;

/// <summary>
/// Connects to a host that has several addresses (RFC 8305): families by turns, the next attempt after 250 ms or at once after a failure,
/// the first connection wins. One address that is silent does not make the host unreachable.
/// </summary>
internal static class HappyEyeballs
{
    /// <summary>After which the next address is tried beside the ones before it (RFC 8305 section 5).</summary>
    internal static readonly TimeSpan AttemptDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>How long one address may take by default: TCP sends its first packet again after 1, 3 and 7 seconds.</summary>
    internal static readonly TimeSpan AttemptLimit = TimeSpan.FromSeconds(8);

    /// <summary>Addresses that are tried; a name may have hundreds.</summary>
    private const int MaxAttempts = 16;

    /// <summary>Connects to the first address that answers.</summary>
    /// <param name="addresses">In the resolver's order; at least one.</param>
    /// <param name="connect">Connects to one; its token ends the attempt.</param>
    /// <param name="limit">How long one address may take.</param>
    /// <param name="time">The clock.</param>
    /// <param name="ct">Ends all attempts.</param>
    /// <returns>The connection, and to which address.</returns>
    /// <exception cref="SocketException">None answers; the message names those that were tried.</exception>
    public static async Task<(Stream Stream, IPAddress Address)> Connect(
        IReadOnlyList<IPAddress> addresses, Func<IPAddress, CancellationToken, Task<Stream>> connect, TimeSpan limit,
        TimeProvider time, CancellationToken ct)
    {
        var order = Interleave(addresses).Take(MaxAttempts).ToList();
        if (order.Count == 1)
            return (await Attempt(order[0], connect, limit, time, ct), order[0]);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var running = new Dictionary<Task<Stream>, IPAddress>();
        Exception? failure = null;
        try
        {
            for (var next = 0; next < order.Count || running.Count > 0;)
            {
                if (next < order.Count)
                {
                    running.Add(Attempt(order[next], connect, limit, time, ended.Token), order[next]);
                    next++;
                }
                if (await FirstToEnd(running.Keys, next < order.Count, time, ended.Token) is not { } first)
                    continue;
                running.Remove(first, out var address);
                if (first.IsCompletedSuccessfully)
                    return (first.Result, address!);
                ct.ThrowIfCancellationRequested();
                failure = first.Exception!.InnerException!;
            }
            throw failure is SocketException e
                ? new SocketException(e.ErrorCode, $"{e.Message} (tried {string.Join(", ", order)})") : failure!;
        }
        finally
        {
            await ended.CancelAsync();
            foreach (var loser in running.Keys)
                _ = Close(loser);
        }
    }

    /// <summary>The addresses with their families by turns, beginning with the first one's.</summary>
    internal static IEnumerable<IPAddress> Interleave(IReadOnlyList<IPAddress> addresses)
    {
        var preferred = addresses.Where(address => address.AddressFamily == addresses[0].AddressFamily).ToList();
        var others = addresses.Where(address => address.AddressFamily != addresses[0].AddressFamily).ToList();
        for (var i = 0; i < Math.Max(preferred.Count, others.Count); i++)
        {
            if (i < preferred.Count)
                yield return preferred[i];
            if (i < others.Count)
                yield return others[i];
        }
    }

    private static async Task<Stream> Attempt(
        IPAddress address, Func<IPAddress, CancellationToken, Task<Stream>> connect, TimeSpan limit, TimeProvider time,
        CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, ct);
        try
        {
            return await connect(address, either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new SocketException((int)SocketError.TimedOut, $"no connection to {address} within {limit.TotalSeconds:0} s");
        }
    }

    /// <summary>The attempt that ended first; null when it is time for the next one.</summary>
    private static async Task<Task<Stream>?> FirstToEnd(
        IEnumerable<Task<Stream>> running, bool isOneLeft, TimeProvider time, CancellationToken ct)
    {
        var first = Task.WhenAny(running);
        if (!isOneLeft)
            return await first;
        using var isOver = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var delay = Task.Delay(AttemptDelay, time, isOver.Token);
        var isFirst = await Task.WhenAny(first, delay) == first;
        await isOver.CancelAsync();
        return isFirst ? await first : null;
    }

    private static async Task Close(Task<Stream> loser)
    {
        try
        {
            await (await loser).DisposeAsync();
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or IOException)
        {
            // It did not connect.
        }
    }
}
