using System.Collections.Concurrent;
using Kuik.Contracts;
using Kuik.IntegrationTests.CopyEngine;
using Kuik.IntegrationTests.NodeProxy;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Registries;

/// <summary>
/// Every way to answer HEAD, with every way to ask for a token, for a tag, a digest and a blob; the first time, again after ten seconds,
/// and again after the origin has forgotten its tokens. A plain GET whose challenges are answered opens all of it, so Kuik has to: nothing
/// that it asks or remembers besides may make it worse.
/// </summary>
public sealed class ChallengeMatrixTests : IAsyncLifetime
{
    private readonly Dictionary<(HeadAnswer, ChallengeStyle), ChallengingOrigin> _origins = [];
    private readonly ShiftedTime _time = new();
    private KuikService _alone = null!;
    private KuikService _before = null!;
    private StartEngine _fetcher = null!;

    /// <summary>The kinds of requests. A digest and a blob each have a repository of their own, so that nothing is known of it.</summary>
    private static readonly string[] Kinds = ["tag", "digest", "blob"];

    [Fact]
    public Task Node_proxy_alone_is_never_worse_than_a_plain_GET() => PullAll(_alone);

    [Fact]
    public Task Node_proxy_with_image_fetcher_is_never_worse_than_a_plain_GET() => PullAll(_before);

    public async ValueTask InitializeAsync()
    {
        foreach (var head in Enum.GetValues<HeadAnswer>())
            foreach (var style in Enum.GetValues<ChallengeStyle>())
                _origins[(head, style)] = await ChallengingOrigin.Start(head, style);
        string[] hosts = [.. _origins.Values.SelectMany(origin => origin.Hosts)];

        // Nothing is remembered and nothing cached: every pull asks the origin.
        (string, string)[] settings =
            [("Kuik:Proxy:MemoryLimit", "1"), .. hosts.Select((host, index) => ($"Kuik:InsecureRegistries:{index}", $"http://{host}"))];
        _fetcher = await StartEngine.RunAt(_time, await Registry.Start(), hosts, null,
            ("Kuik:Cache:Endpoint", StartNodeProxy.ClosedPort().AbsoluteUri));
        _alone = await StartNodeProxy.With(more: settings);
        _before = await StartNodeProxy.With(fetcher: _fetcher.Endpoint, more: settings);
    }

    public async ValueTask DisposeAsync()
    {
        _alone.Kill();
        _before.Kill();
        await _fetcher.DisposeAsync();
        foreach (var origin in _origins.Values)
            await origin.DisposeAsync();
    }

    private async Task PullAll(KuikService proxy)
    {
        var problems = new ConcurrentBag<string>();
        var cells = _origins.SelectMany(origin =>
            Kinds.Select((kind, index) => (origin.Key, Kind: kind, Origin: origin.Value, Image: TestImage.Small(7000 + index)))).ToList();
        foreach (var (_, kind, origin, image) in cells)
            origin.Add($"matrix/{kind}", image);

        foreach (var time in (string[])["the first time", "again", "after the origin forgot its tokens"])
        {
            await Parallel.ForEachAsync(cells, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (cell, _) =>
            {
                if (await FindProblem(proxy, cell.Kind, cell.Origin, cell.Image) is { } problem)
                    problems.Add($"{cell.Key}, {cell.Kind}, {time}: {problem}");
            });
            _time.Advance(TimeSpan.FromSeconds(10));
            if (time == "again")
                foreach (var origin in _origins.Values)
                    origin.ForgetTokens();
        }

        Assert.True(problems.IsEmpty,
            $"{problems.Count} of {3 * cells.Count}:\n{string.Join('\n', problems.Order(StringComparer.Ordinal).Take(100))}");
    }

    private static async Task<string?> FindProblem(KuikService proxy, string kind, ChallengingOrigin origin, TestImage image)
    {
        var (path, bytes, digest, type) = kind switch
        {
            "tag" => ("manifests/1", image.Bytes, image.Digest, image.MediaType),
            "digest" => ($"manifests/{image.Digest}", image.Bytes, image.Digest, image.MediaType),
            _ => ($"blobs/{image.Config.Digest}", image.Config.Bytes, image.Config.Digest, (string?)null),
        };
        var repository = CachePath.Of(ImageReference.Parse($"{origin.Origin.Host}/matrix/{kind}"));
        using var client = new HttpClient { BaseAddress = new Uri(proxy.Endpoint, $"v2/{repository}/"), Timeout = TimeSpan.FromMinutes(2) };
        return await PullAsRuntime.FindProblem(client, HttpMethod.Head, path, bytes, digest, type)
            ?? await PullAsRuntime.FindProblem(client, HttpMethod.Get, path, bytes, digest, type);
    }
}
