using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Testing;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// A defect of a shipped service, imitated from outside of it: by a trigger in its database, by a proxy between it and Kubernetes, by an
/// event that it did not decide, or by a setting that switches off what it does.
/// </summary>
/// <param name="Name">The defect.</param>
internal sealed record PlantedFault(string Name)
{
    /// <summary>The number of the image that <see cref="Strike"/> is about.</summary>
    private const int Struck = 0;

    /// <summary>Settings of all services; they win.</summary>
    public IReadOnlyList<(string Key, string? Value)> Settings { get; init; } = [];

    /// <summary>Settings of the second replicas.</summary>
    public IReadOnlyList<(string Key, string? Value)> SettingsOfSecond { get; init; } = [];

    /// <summary>Damaged blobs are looked for.</summary>
    public bool Scrubs { get; init; } = true;

    /// <summary>Plants it before the services start.</summary>
    public Func<Machine, Task> Begin { get; init; } = _ => Task.CompletedTask;

    /// <summary>Plants it when a used image has been cached.</summary>
    public Func<Machine, int, Task>? Strike { get; init; }

    /// <summary>All of them.</summary>
    public static IReadOnlyList<PlantedFault> All { get; } =
    [
        new("image-fetcher removes the tag of a used image")
        {
            Settings = [("Kuik:Verify:Interval", "1.00:00:00")],
            Strike = (machine, image) =>
            {
                machine.Content.RemoveTag(machine.ImageNames[image]);
                return Task.CompletedTask;
            },
        },
        new("pod-watcher lets a used image expire")
        {
            Strike = (machine, image) => machine.Append(image, new ImageExpired(machine.ImageNames[image], DateTimeOffset.UtcNow)),
        },
        new("pod-watcher takes an empty list for complete") { Strike = (machine, _) => HidePods(machine) },
        new("pod-watcher lets images expire before their delay is over") { Settings = [("Kuik:ExpiryDelay", "00:00:01")] },
        new("expiry does not record that images are unused") { Begin = machine => DropEvent(machine, nameof(ImageUnused)) },
        new("pod-watcher does not write the usage rows of pods")
        { Begin = machine => Drop(machine, "kuik.image_users", "insert", "new.pod_uid not like '%/%'") },
        new("pod-watcher does not remove usage rows") { Begin = machine => Drop(machine, "kuik.image_users", "delete", "true") },
        new("the work of expiring is not recorded") { Begin = machine => Drop(machine, "kuik.work", "insert", "new.kind = 'expire'") },
        new("image-fetcher does not record copies") { Begin = machine => DropEvent(machine, nameof(ImageCached)) },
        new("image-fetcher does not record that a tag has moved") { Begin = machine => DropEvent(machine, nameof(TagMoved)) },
        new("pod-watcher does not record the end of a pod") { Begin = machine => DropEvent(machine, nameof(PodGone)) },
        new("pod-watcher does not record that an image is retained") { Begin = machine => DropEvent(machine, nameof(ImageRetained)) },
        new("pod-watcher writes that cached images are not")
        { Begin = machine => RewriteStatus(machine, status => status["isCached"] = false) },
        new("pod-watcher does not write pods into a status")
        { Begin = machine => RewriteStatus(machine, status => status["usedBy"]!["count"] = 0) },
        new("damaged blobs are not looked for") { Scrubs = false, Strike = Damage },
        new("garbage collection frees a layer of a used image") { Strike = (machine, image) => Spoil(machine, image, isRemoved: true) },
        new("pod-watcher does not read its views after kuik rebuild")
        { Begin = machine => Drop(machine, "kuik.rebuilds", "insert", "true") },
        new("node-proxy asks the origin alone")
        { Settings = [("Kuik:Cache:ReadEndpoint", "http://127.0.0.1:1"), ("Kuik:Fetcher:Endpoint", "http://127.0.0.1:1")] },
        new("two pod-watchers lead")
        {
            SettingsOfSecond = [("Kuik:Namespace", "apps")],   // another Lease
            Strike = (machine, _) => machine.Services.StartSecond("PodWatcher-1"),
        },
        new("the webhook leaves pods alone") { Settings = [("Kuik:Webhook:AcceptedImages", "nothing")] },
    ];

    /// <summary>Random steps around some in which each fault matters.</summary>
    /// <param name="steps">The random ones.</param>
    public IReadOnlyList<Step> AddTo(IReadOnlyList<Step> steps)
    {
        var half = steps.Count / 2;
        Step[] strike = Strike is { } act
            ? [
                new Step("v0 is cached", machine => WaitForCopy(machine, Struck)),
                new Step($"the fault: {Name}", machine => act(machine, Struck)),
            ]
            : [];
        return [.. steps.Take(half), .. Scenario(), .. strike, .. steps.Skip(half)];
    }

    private static IReadOnlyList<Step> Scenario() =>
    [
        new Step("faulty uses v0 and v1", machine => machine.AddPod("faulty", [0, 1])),
        new Step("brief uses v8", machine => machine.AddPod("brief", [Machine.QuietImage])),
        new Step("steady uses v9", machine => machine.AddPod("steady", [Machine.SteadyImage])),
        new Step("v2 is retained", async machine =>
        {
            await machine.User.ApplyImage(machine.ImageNames[2], retain: true);
            machine.Retained.Add(2);
        }, TimeSpan.FromSeconds(6)),
        new Step("v8 is cached", TryToWaitForCopy),
        new Step("brief ends", async machine =>
        {
            machine.Pods.Remove("brief");
            await machine.User.DeletePod("brief");
        }),
        new Step("v1 moves at the origin, and a person wants it compared", async machine =>
        {
            machine.MoveTag(1);
            if (await machine.User.Refresh(machine.ImageNames[1]))
                machine.Refreshed[1] = machine.Versions[1].Count;
        }, TimeSpan.FromSeconds(2)),
        new Step("the view of v9 is wrong, and kuik rebuild", machine => machine.Upkeep.Rebuild(Machine.SteadyImage)),
        new Step("the node pulls v0 while its origin resets every connection", PullWithoutOrigin),
    ];

    private static async Task PullWithoutOrigin(Machine machine)
    {
        machine.BreakOrigin((http, _) =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        await machine.Node.Pull(0);
        machine.BreakOrigin(null);
    }

    private static Task WaitForCopy(Machine machine, int image) =>
        Eventually.True(() => IsCached(machine, image), "the image of the fault is cached");

    // Some faults keep it from being recorded as cached.
    private static async Task TryToWaitForCopy(Machine machine)
    {
        for (var attempt = 0; attempt < 20 && !await IsCached(machine, Machine.QuietImage); attempt++)
            await Task.Delay(TimeSpan.FromMilliseconds(500));
    }

    private static async Task<bool> IsCached(Machine machine, int image) =>
        await machine.Content.DigestOf(machine.ImageNames[image]) is { Length: > 0 }
        && (await machine.Query($"select image from kuik.work where kind = 'verify' and image = '{machine.ImageNames[image]}'")).Count > 0;

    private static async Task Drop(Machine machine, string table, string change, string condition)
    {
        await machine.Query($"""
            create function kuik.planted() returns trigger language plpgsql as $$ begin
                if {condition} then return null; end if;
                if tg_op = 'DELETE' then return old; end if;
                return new;
            end $$
            """);
        await machine.Query($"create trigger planted before {change} on {table} for each row execute function kuik.planted()");
    }

    private static Task DropEvent(Machine machine, string type) => Drop(machine, "kuik.mt_events", "insert", $"new.type = '{type}'");

    private static Task HidePods(Machine machine)
    {
        var expired = 0;
        machine.Front.Script = request => (request.Verb, request.Resource) switch
        {
            ("list", "pods") => KubernetesFront.Changed(items => items.Clear()),
            ("get", "pods") => ScriptedAnswers.Refuse(404, "NotFound"),
            ("watch", "pods") when Interlocked.Exchange(ref expired, 1) == 0 => ScriptedAnswers.ExpireWatch(),
            _ => null,
        };
        machine.Front.EndWatches();
        return Task.CompletedTask;
    }

    private static Task RewriteStatus(Machine machine, Action<JsonObject> change)
    {
        machine.Front.Script = request => request is { Verb: "patch", Resource: "cachedimages", Subresource: "status" }
            ? async (http, answer) =>
            {
                var body = (await JsonNode.ParseAsync(http.Request.Body))!.AsObject();
                if (body["status"] is JsonObject status)
                    change(status);
                http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body.ToJsonString()));
                await answer();
            }
        : null;
        return Task.CompletedTask;
    }

    private static async Task Damage(Machine machine, int image)
    {
        await Spoil(machine, image, isRemoved: false);
        machine.Lost.Add(image);
    }

    private static async Task Spoil(Machine machine, int image, bool isRemoved)
    {
        var digest = await machine.Content.DigestOf(machine.ImageNames[image]);
        await machine.Content.Spoil(machine.Versions[image].Find(version => version.Digest == digest)!.Layers[1].Digest, isRemoved);
    }
}
