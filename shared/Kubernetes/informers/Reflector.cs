using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Kuik.Hosting;
using Microsoft.Extensions.Logging;

namespace Kuik.Kubernetes;

/// <summary>
/// Follows a kind of object: a complete list (a quorum read), then a watch that goes on from there through timeouts and lost connections.
/// Level-triggered: <see cref="State"/> is what is, <see cref="TakeChanges"/> only says where to look.
/// <para>1. List in pages. 2. Watch with bookmarks. 3. Ended or broken: watch from the last version. 4. That version is forgotten (410):
/// list again.</para>
/// </summary>
public sealed partial class Reflector<TResource, TState>(WatchedResource<TResource, TState> watchedResource, KubernetesApi api, TimeProvider time, ILogger logger)
    where TResource : IResource
    where TState : class
{
    private static readonly TimeSpan WatchLength = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly ChangeQueue<TState> pending = new();
    private readonly TaskCompletionSource firstList = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ConcurrentDictionary<string, TState> state = new();
    private string? version;
    private volatile bool mustList;
    private volatile CancellationTokenSource? watching;

    /// <summary>What is kept of every object, by key. Empty before the first list.</summary>
    public IReadOnlyDictionary<string, TState> State => Volatile.Read(ref state);

    /// <summary>Has a complete list been taken?</summary>
    public bool IsListed => firstList.Task.IsCompleted;

    /// <summary>Completes with the first complete list.</summary>
    public Task FirstList => firstList.Task;

    /// <summary>How many complete lists have been taken: one, as long as every watch could go on.</summary>
    public int Lists { get; private set; }

    /// <summary>Why the state may be out of date; null while it is not.</summary>
    public string? Problem { get; private set; } = "not listed yet";

    /// <summary>UTC: the state is known to be that of the API at this moment or later; null before the first list.</summary>
    public DateTimeOffset? CurrentAt { get; private set; }

    /// <summary>Waits until something has changed, and takes all of it.</summary>
    public Task<ChangeSet<TState>> TakeChanges(CancellationToken ct) => pending.Take(ct);

    /// <summary>Its state has turned out to be wrong: a new list is taken, and the watch goes on from there.</summary>
    public void ListAgain()
    {
        mustList = true;
        watching?.Cancel();
    }

    /// <summary>Follows until cancelled. Faults are logged once each and retried; they never end it.</summary>
    public async Task Run(CancellationToken ct)
    {
        var backOff = new BackOff(time);
        while (!ct.IsCancellationRequested)
        {
            try
            {
                if (version is null || mustList)
                    await List(ct);
                await Watch(backOff, ct);
            }
            catch (KubernetesApiException refusal) when (refusal.NeedsNewList)
            {
                LogListsAgain(watchedResource.What, refusal.Message);
                version = null;
                await backOff.Wait(ct);
            }
            catch (OperationCanceledException) when (mustList && !ct.IsCancellationRequested)
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
        mustList = false;
        version = null;
        var began = time.GetUtcNow();
        var (found, at) = await api.List(watchedResource, (resource, kept) => KeyValuePair.Create(watchedResource.KeyOf(resource), kept), ct);
        Volatile.Write(ref state, new ConcurrentDictionary<string, TState>(found));
        version = at;
        Lists++;
        CurrentAt = began;
        LogListed(watchedResource.What, found.Count);
        pending.AddListed(Lists);
        firstList.TrySetResult();
    }

    private async Task Watch(BackOff backOff, CancellationToken ct)
    {
        // A connection that died without a word ends with the deadline; a healthy one ends before it, by the server.
        using var deadline = new CancellationTokenSource(WatchLength + Grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(either.Token);
        watching = stop;
        try
        {
            await Read(backOff, stop.Token);
        }
        finally
        {
            watching = null;
        }
    }

    private async Task Read(BackOff backOff, CancellationToken ct)
    {
        using var response = await api.Watch(watchedResource.WatchFrom(version!, WatchLength), ct);
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
        CurrentAt = time.GetUtcNow();   // the server ended it, so there was nothing more until now
        if (isSilent)
            await backOff.Wait(ct);   // or a server that ends every watch at once would be asked without a pause
    }

    private void Take(ReadOnlySequence<byte> line)
    {
        switch (Parse(line, KubernetesJson.Default.WatchLineType).Type)
        {
            case "ERROR":
                // A 410 comes like this, inside a 200.
                var status = Parse(line, KubernetesJson.Default.WatchLineApiStatus).Object;
                throw KubernetesApiException.From("watch of " + watchedResource.Path, (HttpStatusCode)(status.Code ?? 500), status);
            case "BOOKMARK":
                version = Parse(line, watchedResource.LineType).Object.ResourceVersion;
                break;
            case "DELETED":
                var gone = Parse(line, watchedResource.LineType).Object;
                state.TryRemove(watchedResource.KeyOf(gone), out _);
                version = gone.ResourceVersion;
                pending.AddDeleted(watchedResource.KeyOf(gone), watchedResource.Keep(gone));
                break;
            default:
                var resource = Parse(line, watchedResource.LineType).Object;
                state[watchedResource.KeyOf(resource)] = watchedResource.Keep(resource);
                version = resource.ResourceVersion;
                pending.Add(watchedResource.KeyOf(resource));
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

    [LoggerMessage(Level = LogLevel.Information, Message = "{What}: listing again, because the watch cannot go on ({Reason})")]
    private partial void LogListsAgain(string what, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{What}: Kubernetes at {Address} cannot be followed ({Reason}); trying again, at least every 30 s, until it can")]
    private partial void LogFault(string what, Uri address, string reason);
}
