using System.Globalization;
using Kuik.Contracts;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Chaos;

/// <summary>
/// Everything of the control plane as processes, and faults of everything that it stands on, at random. KUIK_TEST_CHAOS_SECONDS says for
/// how long (default 45; the long form is 900),
/// KUIK_TEST_SEED which sequence.
/// </summary>
public sealed class ChaosTests
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(Read("KUIK_TEST_CHAOS_SECONDS", 45));
    private static readonly int Seed = Read("KUIK_TEST_SEED", 1);

    /// <summary>After the last fault: back-offs of half a minute, leases that end, and then the work itself on a busy machine.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task After_random_faults_every_live_pod_is_recorded_its_images_are_cached_and_no_service_has_ended_by_itself()
    {
        // Given
        await using var world = await ChaosWorld.Start();
        var schedule = new ChaosSchedule(world, Seed);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        // When
        var load = new ChaosLoad(world.Kubernetes, world.ImageNames, Seed).Run(over.Token);
        await schedule.Run(Duration, TestContext.Current.CancellationToken);
        await over.CancelAsync();
        await load;

        // Then
        IReadOnlyList<string> open = [];
        try
        {
            await Eventually.True(async () => (open = await Problems(world)).Count == 0, "everything is as it should be", Settling);
        }
        catch (TimeoutException)
        {
            Assert.Fail(Describe(world, schedule, [.. open, await LogState(world)]));
        }
        schedule.NoteEnded();
        Assert.True(schedule.Problems.Count == 0, Describe(world, schedule, []));
    }

    private static async Task<IReadOnlyList<string>> Problems(ChaosWorld world)
    {
        var used = world.UsedImages();
        return
        [
            .. await world.Cluster.UsageProblems(),
            .. await MissingInCache(world, used.Keys),
            .. used.Where(image => !Says(world, image.Key, image.Value))
                .Select(image => $"the CachedImage of {image.Key} does not say that {image.Value} pods use it and it is cached"),
            .. await OverdueWork(world),
        ];
    }

    private static async Task<IReadOnlyList<string>> MissingInCache(ChaosWorld world, IEnumerable<string> images)
    {
        using var http = world.Cache.Client("");
        var missing = new List<string>();
        foreach (var image in images)
        {
            var name = ImageReference.Parse(image);
            using var request = new HttpRequestMessage(HttpMethod.Head,
                new Uri($"/v2/{CachePath.Of(name)}/manifests/{name.Target}", UriKind.Relative));
            foreach (var type in Kuik.Oci.MediaTypes.Manifests)
                request.Headers.Accept.ParseAdd(type);
            using var answer = await http.SendAsync(request);
            if (!answer.IsSuccessStatusCode)
                missing.Add($"{image} is used and not in the cache ({(int)answer.StatusCode})");
        }
        return missing;
    }

    private static bool Says(ChaosWorld world, string image, int users) =>
        world.Kubernetes.Find(ChaosWorld.ResourceOf(image))?["status"] is { } status && (bool?)status["isCached"] == true
            && (int?)status["usedBy"]?["count"] == users;

    private static async Task<IReadOnlyList<string>> OverdueWork(ChaosWorld world) =>
        await world.Cluster.Execute("""
            select string_agg(kind || ' of ' || image || ' is overdue', E'\n') from kuik.work
            where wake_at < now() - case kind when 'expire' then interval '64 seconds' else interval '1 minute' end
            """)
            is { Length: > 0 } overdue ? overdue.Split('\n') : [];

    private static async Task<string> LogState(ChaosWorld world) => $"""
        last event: {await world.Cluster.Execute("select max(seq_id) from kuik.mt_events")}
        projected: {await world.Cluster.Execute("select string_agg(name || ' ' || last_seq_id, ', ') from kuik.mt_event_progression")}
        """;

    private static string Describe(ChaosWorld world, ChaosSchedule schedule, IReadOnlyList<string> open) => $"""
        KUIK_TEST_SEED={Seed} KUIK_TEST_CHAOS_SECONDS={Duration.TotalSeconds:0}
        {string.Join('\n', schedule.Problems.Concat(open))}

        {schedule.Timeline}

        {string.Join("\n\n", world.Replicas.Select(replica => $"{replica.Name}:\n{replica.Tail}"))}
        """;

    private static int Read(string name, int fallback) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : fallback;
}
