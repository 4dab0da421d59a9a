using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace Kuik.Testing;

/// <summary>Answers reads of a <see cref="ScriptedKubernetes"/>: an object, a page of a list, a watch.</summary>
internal sealed class ObjectReader(ObjectStore store)
{
    /// <summary>The number of lists that can be continued; an older one's token is expired, as after a compaction.</summary>
    private const int KeptLists = 50;

    private readonly ConcurrentDictionary<int, OpenList> _lists = new();
    private int _tokens;

    /// <summary>The interval of bookmarks in a watch without events, if it requested them.</summary>
    public TimeSpan BookmarkInterval { get; set; } = TimeSpan.FromSeconds(1);

    public async Task Get(HttpContext http, ScriptedRequest request)
    {
        var found = store.Find(request.Kind, request.Key) ?? throw RefusedException.NotFound(request);
        await Send(http, 200, json => found.Write(json, found.Version));
    }

    public async Task List(HttpContext http, ScriptedRequest request)
    {
        var (list, from) = Open(request);
        var limit = int.TryParse(request.Query["limit"], CultureInfo.InvariantCulture, out var asked) && asked > 0 ? asked : int.MaxValue;
        var end = (int)Math.Min(list.Objects.Length, (long)from + limit);
        await Send(http, 200, json =>
        {
            json.WriteStartObject();
            json.WriteString("kind", ObjectWriter.KindOf(request.Resource) + "List");
            json.WriteString("apiVersion", request.Group.Length == 0 ? "v1"
                : request.Path.Split('/')[2] + "/" + request.Path.Split('/')[3]);
            json.WriteStartObject("metadata");
            json.WriteString("resourceVersion", Text(list.Version));
            if (end < list.Objects.Length)
                json.WriteString("continue", $"{Text(Keep(list))}.{Text(end)}");
            json.WriteEndObject();
            json.WriteStartArray("items");
            foreach (var item in list.Objects.AsSpan(from, end - from))
                item.Write(json, item.Version);
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public async Task Watch(HttpContext http, ScriptedRequest request)
    {
        http.Response.ContentType = "application/json";
        var version = long.TryParse(request.Query["resourceVersion"], CultureInfo.InvariantCulture, out var asked) ? asked : 0;
        var (existing, now) = version == 0 ? store.List(request.Kind) : ([], version);
        using var watch = store.Watch(request.Kind, now);
        if (watch is null)
        {
            await SendExpired(http);
            return;
        }
        var seconds = int.TryParse(request.Query["timeoutSeconds"], CultureInfo.InvariantCulture, out var limit) ? limit : 300;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        end.CancelAfter(TimeSpan.FromSeconds(seconds));
        await http.Response.Body.FlushAsync(end.Token);
        var selected = Selection(request);
        foreach (var item in existing.Where(selected))
            await SendLine(http, "ADDED", json => item.Write(json, item.Version));
        try
        {
            await Follow(http, watch.Changes, selected, request.Query["allowWatchBookmarks"] == "true", end.Token);
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            return;   // the time that the client asked for is over
        }
    }

    /// <summary>The line of a watch with an expired version, inside a 200.</summary>
    public static async Task SendExpired(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        await SendLine(http, "ERROR", json => WriteStatus(json, 410, "Expired", "too old resource version", null));
    }

    /// <summary>Sends an error as the API does.</summary>
    public static Task SendStatus(HttpContext http, int status, string reason, string message, TimeSpan? retryAfter = null) =>
        Send(http, status, json => WriteStatus(json, status, reason, message, retryAfter));

    public static async Task Send(HttpContext http, int status, Action<Utf8JsonWriter> write)
    {
        using var body = new MemoryStream();
        await using (var json = new Utf8JsonWriter(body))
            write(json);
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = body.Length;
        await http.Response.Body.WriteAsync(body.GetBuffer().AsMemory(0, (int)body.Length));
    }

    private (OpenList List, int From) Open(ScriptedRequest request)
    {
        if (request.Query["continue"].FirstOrDefault() is { Length: > 0 } token)
        {
            var parts = token.Split('.');
            return _lists.TryGetValue(int.Parse(parts[0], CultureInfo.InvariantCulture), out var open)
                ? (open, int.Parse(parts[1], CultureInfo.InvariantCulture))
                : throw new RefusedException(410, "Expired",
                    "The provided continue parameter is too old to display a consistent list result.");
        }
        var (objects, version) = store.List(request.Kind);
        return (new OpenList([.. objects.Where(Selection(request))], version), 0);
    }

    private int Keep(OpenList list)
    {
        if (list.Token == 0)
        {
            list.Token = Interlocked.Increment(ref _tokens);
            _lists[list.Token] = list;
            _lists.TryRemove(list.Token - KeptLists, out _);
        }
        return list.Token;
    }

    private static Func<StoredObject, bool> Selection(ScriptedRequest request)
    {
        var labels = new LabelSelector(request.Query["labelSelector"]);
        var name = request.Query["fieldSelector"].FirstOrDefault()?.Split("metadata.name=") is [_, var named] ? named : request.Name;
        return item => (request.Namespace is null || item.Namespace == request.Namespace) && (name is null || item.Name == name)
            && labels.Selects(item.Labels);
    }

    private async Task Follow(HttpContext http, ChannelReader<ObjectChange> changes, Func<StoredObject, bool> selected, bool bookmarks,
        CancellationToken ct)
    {
        while (true)
        {
            var before = store.Version;   // everything up to here is in the channel
            while (changes.TryRead(out var change))
                await SendChange(http, change, selected);
            await http.Response.Body.FlushAsync(ct);
            var more = changes.WaitToReadAsync(ct).AsTask();
            while (bookmarks && await Task.WhenAny(more, Task.Delay(BookmarkInterval, ct)) != more)
            {
                await SendLine(http, "BOOKMARK", json => WriteBookmark(json, before));
                await http.Response.Body.FlushAsync(ct);
            }
            if (!await more)
                return;
        }
    }

    // An object that leaves the selection is deleted for this watch, in its last state within it.
    private static Task SendChange(HttpContext http, ObjectChange change, Func<StoredObject, bool> selected)
    {
        var (was, isNow) = (change.Before is not null && selected(change.Before), change.After is not null && selected(change.After));
        return (was, isNow) switch
        {
            (_, true) => SendLine(http, was ? "MODIFIED" : "ADDED", json => change.After!.Write(json, change.Version)),
            (true, false) => SendLine(http, "DELETED", json => change.Before!.Write(json, change.Version)),
            _ => Task.CompletedTask,
        };
    }

    private static async Task SendLine(HttpContext http, string type, Action<Utf8JsonWriter> write)
    {
        using var line = new MemoryStream();
        await using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            json.WriteString("type", type);
            json.WritePropertyName("object");
            write(json);
            json.WriteEndObject();
        }
        line.WriteByte((byte)'\n');
        await http.Response.Body.WriteAsync(line.GetBuffer().AsMemory(0, (int)line.Length));
    }

    private static void WriteBookmark(Utf8JsonWriter json, long version)
    {
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteString("resourceVersion", Text(version));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteStatus(Utf8JsonWriter json, int status, string reason, string message, TimeSpan? retryAfter)
    {
        json.WriteStartObject();
        json.WriteString("kind", "Status");
        json.WriteString("apiVersion", "v1");
        json.WriteStartObject("metadata");
        json.WriteEndObject();
        json.WriteString("status", status < 300 ? "Success" : "Failure");
        json.WriteString("message", message);
        json.WriteString("reason", reason);
        json.WriteNumber("code", status);
        if (retryAfter is { } wait)
        {
            json.WriteStartObject("details");
            json.WriteNumber("retryAfterSeconds", (int)wait.TotalSeconds);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private sealed record OpenList(StoredObject[] Objects, long Version)
    {
        public int Token { get; set; }
    }
}
