using System.Data;
using System.Globalization;
using System.Text.Json.Nodes;
using Kuik.EventLog.Audit;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// When a schedule is over and some time has passed: the usage table has the live users, what is needed is in the cache byte for byte and
/// shown so, nothing else is, no work is overdue, new pods are rewritten, and the log agrees with everything that is derived from it.
/// </summary>
internal sealed class RestCheck(Machine machine)
{
    /// <summary>Everything that is not as it should be; empty at rest.</summary>
    public async Task<IReadOnlyList<string>> FindProblems()
    {
        var problems = new List<string>(await FindWrongUsers());
        var resources = (await machine.User.ListImages()).ToDictionary(resource => (string)resource["spec"]!["sourceImage"]!);
        for (var image = 0; image < Machine.ImageCount; image++)
            problems.AddRange(await FindWrong(image, resources.GetValueOrDefault(machine.ImageNames[image])));
        problems.AddRange(await FindWrongRepositories(resources.Keys));
        problems.AddRange(await machine.Query("""
            select kind || ' of ' || image || ' is overdue' from kuik.work
            where kind in ('fetch', 'evict', 'expire', 'expire-at') and wake_at < now() - interval '20 seconds'
            """));
        if (!await machine.User.AreRewritten())
            problems.Add("pods are not rewritten");
        if (problems.Count == 0)
            problems.AddRange(await FindDifferences());
        return problems;
    }

    private async Task<IReadOnlyList<string>> FindWrongUsers()
    {
        var recorded = (await machine.Query("select pod_uid || ' of ' || image from kuik.image_users")).ToHashSet();
        var live = Enumerable.Range(0, Machine.ImageCount)
            .SelectMany(image => machine.UsersOf(image).Select(user => $"{user} of {machine.ImageNames[image]}")).ToHashSet();
        return
        [
            .. live.Except(recorded).Select(use => $"the use by {use} is not recorded"),
            .. recorded.Except(live).Select(use => $"the use by {use} is recorded and over"),
        ];
    }

    private async Task<IReadOnlyList<string>> FindWrong(int image, JsonObject? resource)
    {
        var pods = machine.Pods.Values.Count(pod => pod.Images.Contains(image));
        var workloads = machine.Workloads.Values.Count(workload => workload.Image == image);
        var isRetained = (bool?)resource?["spec"]!["retain"] == true;
        if (machine.Retained.Contains(image) && !isRetained)
            return [$"v{image} is retained, and its CachedImage does not say so"];
        if (!machine.Retained.Contains(image) && isRetained && !machine.Deleted.Contains(image))
            return [$"v{image} is not retained, and its CachedImage says so"];
        var digest = await machine.Content.DigestOf(machine.ImageNames[image]);
        if (pods > 0 || isRetained)
            return [.. await FindMissing(image, digest), .. FindUntrue(image, digest, resource, pods, workloads)];
        // A template keeps an image that is cached, and requests none.
        if (workloads > 0 && digest is { Length: > 0 })
            return FindUntrue(image, digest, resource, pods, workloads);
        return
        [
            .. digest is "" ? [] : new[] { $"nothing needs v{image}, and it is in the cache" },
            .. resource is null ? [] : new[] { $"nothing needs v{image}, and it has a CachedImage" },
        ];
    }

    private async Task<IReadOnlyList<string>> FindMissing(int image, string? digest)
    {
        if (await machine.Content.FindFault(machine.ImageNames[image]) is { } fault)
            return [$"v{image} is needed, and in the cache {fault}"];
        var version = machine.Versions[image].FindLastIndex(version => version.Digest == digest) + 1;
        return machine.Refreshed.TryGetValue(image, out var asked) && version < asked
            ? [$"v{image} was to be compared when it had version {asked}, and the cache has version {version}"]
            : [];
    }

    private static IReadOnlyList<string> FindUntrue(int image, string? digest, JsonObject? resource, int pods, int workloads)
    {
        if (resource?["status"] is not { } status)
            return [$"v{image} has no CachedImage with a status"];
        var isUsed = pods + workloads > 0;
        (string What, string? Is, string Should)[] claims =
        [
            ("status.isCached", Text(status["isCached"]), "true"),
            ("status.phase", Text(status["phase"]), "Ready"),
            ("status.digest", Text(status["digest"]), digest?.Split(':')[^1] ?? ""),
            ("status.usedBy.count", Text(status["usedBy"]?["count"]), Text(pods)),
            ("status.usedBy.workloadCount", Text(status["usedBy"]?["workloadCount"]) ?? "0", Text(workloads)),
            ("condition Ready", ConditionOf(status, "Ready"), "True"),
            ("condition Cached", ConditionOf(status, "Cached"), "True"),
            ("condition InUse", ConditionOf(status, "InUse"), isUsed ? "True" : "False"),
            ("status.lastError", Text(status["lastError"]) ?? "", ""),
            ("spec.expiresAt", Text(resource["spec"]!["expiresAt"]) ?? "", ""),
            ("the annotation that asks for a comparison",
                Text(resource["metadata"]!["annotations"]?[Contracts.Names.ForceUpdateAnnotation]) ?? "", ""),
        ];
        return [.. claims.Where(claim => claim.Is != claim.Should)
            .Select(claim => $"{claim.What} of v{image} is \"{claim.Is}\" and should be \"{claim.Should}\"")];
    }

    private async Task<IReadOnlyList<string>> FindWrongRepositories(IEnumerable<string> images)
    {
        var should = images.GroupBy(image => image[..image.LastIndexOf(':')])
            .ToDictionary(repository => repository.Key, repository => $"{repository.Count()} images, Ready");
        var are = (await machine.User.ListRepositories()).ToDictionary(
            repository => (string)repository["spec"]!["name"]!,
            repository => $"{Text(repository["status"]?["images"])} images, {Text(repository["status"]?["phase"])}");
        return [.. should.Keys.Union(are.Keys)
            .Select(name => (Name: name, Should: should.GetValueOrDefault(name), Is: are.GetValueOrDefault(name)))
            .Where(one => one.Should != one.Is)
            .Select(one => $"Repository {one.Name} says \"{one.Is}\" and should say \"{one.Should}\"")];
    }

    private async Task<IReadOnlyList<string>> FindDifferences()
    {
        await using var connection = await machine.Connect();
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead);
        var verification = await new LogVerifier(connection).Verify(null, CancellationToken.None);
        return [.. verification.Differences.Select(one => $"kuik verify: {one.Part} {one.Subject}: {one.Found}")];
    }

    private static string? ConditionOf(JsonNode status, string type) =>
        Text(status["conditions"]?.AsArray().FirstOrDefault(condition => (string?)condition!["type"] == type)?["status"]);

    private static string? Text(JsonNode? value) => value?.ToString();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
