using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Kuik.Hosting;
using Microsoft.Extensions.Logging;

namespace Kuik.Kubernetes;

/// <summary>
/// Follows a kind of object: a complete list (a quorum read), then a watch that continues from there through timeouts and lost connections.
/// Level-triggered: <see cref="State"/> is the current state, <see cref="TakeChanges"/> only hints at changes.
/// <para>1. List in pages. 2. Watch with bookmarks. 3. Ended or broken: watch from the last version. 4. That version has
/// expired (410): list again.</para>
/// </summary>
public sealed partial class Reflector<TResource, TState>(WatchedResource<TResource, TState> watchedResource, KubernetesApi api,
    TimeProvider time, ILogger logger)
    where TResource : IResource
    where TState : class
{
    private static readonly TimeSpan WatchLength = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly ChangeQueue<TState> _pending = new();
    private readonly TaskCompletionSource _firstList = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ConcurrentDictionary<string, TState> _state = new();
    private string? _version;
    private volatile bool _mustList;
    private volatile CancellationTokenSource? _watching;

    /// <summary>The kept parts of every object, by key. Empty before the first list.</summary>
    public IReadOnlyDictionary<string, TState> State => Volatile.Read(ref _state);

    /// <summary>True after the first complete list.</summary>
    public bool IsListed => _firstList.Task.IsCompleted;

    /// <summary>Completes with the first complete list.</summary>
    public Task FirstList => _firstList.Task;

    /// <summary>The number of complete lists: one, as long as every watch could continue.</summary>
    public int Lists { get; private set; }

    /// <summary>Why the state may be outdated; null while it is current.</summary>
    public string? Problem { get; private set; } = "not listed yet";

    /// <summary>UTC: the state is known to be that of the API at this moment or later; null before the first list.</summary>
    public DateTimeOffset? CurrentAt { get; private set; }

    /// <summary>Waits for a change, and takes all changes.</summary>
    public Task<ChangeSet<TState>> TakeChanges(CancellationToken ct) => _pending.Take(ct);

    /// <summary>Requests a new list, when the state has turned out to be wrong; the watch continues from there.</summary>
    public void ListAgain()
    {
        _mustList = true;
        _watching?.Cancel();
    }

    /// <summary>Runs until cancelled. Each failure is logged once and retried; failures never end it.</summary>
    public async Task Run(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        while (!ct.IsCancellationRequested)
        {
            try
            {
                if (_version is null || _mustList)
                    await List(ct);
                await Watch(backOff, ct);
            }
            catch (KubernetesApiException refusal) when (refusal.NeedsNewList)
            {
                LogListsAgain(watchedResource.What, refusal.Message);
                _version = null;
                await backOff.Wait(ct);
            }
            catch (OperationCanceledException) when (_mustList && !ct.IsCancellationRequested)
            {
                LogListsAgain(watchedResource.What, "the last list was not complete");
            }
            catch (Exception fault) when (KubernetesFault.IsOfApi(fault, ct))
            {
                if (Problem != fault.Message)
                    LogFault(watchedResource.What, api.Address, fault.Message);
                Problem = fault.Message;
                await backOff.Wait(ct);
            }
        }
    }

    private async Task List(CancellationToken ct)
    {
        _mustList = false;
        _version = null;
        var began = time.GetUtcNow();
        var (found, at) = await api.List(watchedResource, (resource, kept) => KeyValuePair.Create(watchedResource.KeyOf(resource), kept),
            ct);
        Volatile.Write(ref _state, new ConcurrentDictionary<string, TState>(found));
        _version = at;
        Lists++;
        CurrentAt = began;
        LogListed(watchedResource.What, found.Count);
        _pending.AddListed(Lists);
        _firstList.TrySetResult();
    }

    private async Task Watch(BackOff backOff, CancellationToken ct)
    {
        // A connection that died silently ends with the deadline; a healthy one is ended earlier by the server.
        using var deadline = new CancellationTokenSource(WatchLength + Grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(either.Token);
        _watching = stop;
        try
        {
            await Read(backOff, stop.Token);
        }
        finally
        {
            _watching = null;
        }
    }

    private async Task Read(BackOff backOff, CancellationToken ct)
    {
        using var response = await api.Watch(watchedResource.WatchFrom(_version!, WatchLength), ct);
        Problem = null;
        await using var body = await response.Content.ReadAsStreamAsync(ct);
        var isSilent = true;
        await foreach (var line in WatchLines.Read(body, ct))
        {
            Take(line);
            CurrentAt = time.GetUtcNow();
            backOff.Reset();
            isSilent = false;
        }
        CurrentAt = time.GetUtcNow();   // the server ended it, so there were no more changes until now
        if (isSilent)
            await backOff.Wait(ct);   // or a server that ends every watch at once would get requests without a pause
    }

    private void Take(ReadOnlySequence<byte> line)
    {
        switch (Parse(line, KubernetesJson.Default.WatchLineType).Type)
        {
            case "ERROR":
                // A 410 arrives like this, inside a 200.
                var status = Parse(line, KubernetesJson.Default.WatchLineApiStatus).Object;
                throw KubernetesApiException.From("watch of " + watchedResource.Path, (HttpStatusCode)(status.Code ?? 500), status);
            case "BOOKMARK":
                _version = Parse(line, watchedResource.LineType).Object.ResourceVersion;
                break;
            case "DELETED":
                var gone = Parse(line, watchedResource.LineType).Object;
                _state.TryRemove(watchedResource.KeyOf(gone), out _);
                _version = gone.ResourceVersion;
                _pending.AddDeleted(watchedResource.KeyOf(gone), watchedResource.Keep(gone));
                break;
            default:
                var resource = Parse(line, watchedResource.LineType).Object;
                _state[watchedResource.KeyOf(resource)] = watchedResource.Keep(resource);
                _version = resource.ResourceVersion;
                _pending.Add(watchedResource.KeyOf(resource));
                break;
        }
    }

    private static T Parse<T>(ReadOnlySequence<byte> line, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        var reader = new Utf8JsonReader(line);
        return JsonSerializer.Deserialize(ref reader, type) ?? throw new JsonException("the Kubernetes API sent null in a watch");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{What}: {Count} listed")]
    private partial void LogListed(string what, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "{What}: listing again, because the watch cannot continue ({Reason})")]
    private partial void LogListsAgain(string what, string reason);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "{What}: list or watch of Kubernetes at {Address} failed ({Reason}); retrying at least every 30 s")]
    private partial void LogFault(string what, Uri address, string reason);
}
