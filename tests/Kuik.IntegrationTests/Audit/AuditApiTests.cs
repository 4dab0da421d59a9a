using System.Net;
using System.Text.Json.Nodes;
using Kuik.CommandLine.Audit;
using Kuik.EventLog.Audit;
using Kuik.IntegrationTests.EventLog;
using Kuik.IntegrationTests.PodWatcher;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>The audit API on the log of a random run, with the reviews of a real kube-apiserver.</summary>
[Collection(nameof(Cluster))]
public sealed class AuditApiTests(Cluster cluster, AuditWorld world) : IClassFixture<AuditWorld>, IAsyncLifetime
{
    private ServedAudit _api = null!;

    public async ValueTask InitializeAsync() => _api = await ServedAudit.Start(cluster, world.Database);

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task Kubernetes_decides_by_token_and_right_in_the_cluster_or_in_a_namespace()
    {
        var (account, stranger) = await _api.NewAccount();
        var reader = await _api.NewReader();
        await cluster.Api.Kubectl("create", "namespace", "web");
        var ofWeb = await _api.NewReader("web");

        Assert.Equal(HttpStatusCode.Unauthorized, (await _api.Ask("images", null)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _api.Ask("images", stranger + "x")).Status);
        var refused = await _api.Ask("images", stranger);
        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
        Assert.Contains(
            $"system:serviceaccount:apps:{account} has no right to get audits.kuik.enix.io", refused.Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await _api.Ask("images", reader)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _api.Ask("images?namespace=web", reader)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _api.Ask("images", ofWeb)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _api.Ask("images?namespace=apps", ofWeb)).Status);
        var seen = JsonNode.Parse((await _api.Ask("images?namespace=web", ofWeb)).Body)!["images"]!.AsArray();
        Assert.Contains(seen, image => (string?)image!["image"] == AuditWorld.Nginx);
        Assert.Equal(HttpStatusCode.NotFound, (await _api.Ask("why?image=redis&namespace=web", ofWeb)).Status);
    }

    [Fact]
    public async Task Every_question_has_the_same_answer_through_the_API_as_from_Postgres()
    {
        var file = await TokenFile(await _api.NewReader());
        var served = $"--server {_api.Expiry.Endpoint} --token-file {file}";
        foreach (var question in new[]
        {
            "images --all", "images nginx --scope web", "images --at 100 --all", "history nginx:1.27 --users --limit 0",
            "history nginx:1.27 --limit 3", "history deployment/web/front", "history pod/web/front-6d4cf56db6-x2x9z --scope web",
            "why nginx:1.27", "why nginx:1.27 --at 50", "who nginx:1.27", "who nginx:1.27 --at 100 --scope web", "replay",
            "replay --until 150", "diff 50 200", "uses --image nginx:1.27 --since 50", "uses --node node-1 --scope web --until 200",
            "uses --digest sha256:0", "events", "events image/* --type ImageCached --type ImageRetained --since 50 --until 250",
            "events --actor kubectl-edit",
        })
        {
            var fromLog = await world.Shell($"kuik {question} --output json");
            var fromApi = await world.Shell($"kuik {question} --output json {served}");

            Assert.Equal((question, fromLog.ExitCode, fromLog.Errors), (question, fromApi.ExitCode, fromApi.Errors));
            Assert.Equal((question, fromLog.Output), (question, fromApi.Output));
        }
    }

    [Fact]
    public async Task A_time_whose_events_were_removed_is_410_with_a_sentence_that_says_what_to_do_and_exit_code_3()
    {
        var log = await MigratedDatabase.New();
        await using (var postgres = NpgsqlDataSource.Create(log))
        await using (var command = postgres.CreateCommand("""
            insert into kuik.log_retention (id, position, horizon, horizon_at, removed_events, removed_streams, exported)
            values (1, 120, 120, '2026-03-01T12:00:00Z', 100, 20, 0)
            """))
            await command.ExecuteNonQueryAsync();
        await using var api = await ServedAudit.Start(cluster, log);
        var token = await api.NewReader();
        var served = $"--server {api.Expiry.Endpoint} --token-file {await TokenFile(token)}";

        foreach (var question in new[] { "state?until=119", "diff?from=119&to=130", "why?image=nginx&at=2026-03-01T11:00:00Z" })
        {
            var (status, body) = await api.Ask(question, token);

            Assert.Equal((question, HttpStatusCode.Gone), (question, status));
            Assert.Equal("the state before event 120 (2026-03-01T12:00:00Z) is not known any more: pods, workloads and images that had "
                + "ended by then were removed (Kuik:Log:RetainFor). Ask about a later time, or import an export from before (kuik import)",
                (string?)JsonNode.Parse(body)!["detail"]);
        }
        Assert.Equal(HttpStatusCode.OK, (await api.Ask("state?until=120", token)).Status);
        var run = await world.Shell($"kuik replay --until 119 {served}");
        Assert.Equal((3, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("kuik: the state before event 120", run.Errors, StringComparison.Ordinal);
        var uses = await world.Shell($"kuik uses --output json {served}");
        Assert.Equal((3, "event 120 (2026-03-01T12:00:00Z)"), (uses.ExitCode, (string?)JsonNode.Parse(uses.Output)!["horizon"]));
    }

    [Fact]
    public async Task Pages_together_are_the_whole_answer()
    {
        var reader = await _api.NewReader();
        foreach (var (question, list) in new[] { ("images?all=true", "images"), ("history?subject=nginx:1.27&users=true", "events"),
            ("users?image=nginx:1.27", "users") })
        {
            var whole = JsonNode.Parse((await _api.Ask(question, reader)).Body)![list]!.AsArray().Select(one => one!.ToJsonString());
            var pages = new List<string>();
            for (var cursor = ""; cursor is not null;)
            {
                var page = JsonNode.Parse((await _api.Ask($"{question}&limit=2{cursor}", reader)).Body)!;
                var entries = page[list]!.AsArray().Select(one => one!.ToJsonString()).ToList();
                Assert.True(entries.Count <= 2, question);
                pages.InsertRange(list == "events" ? 0 : pages.Count, entries);
                cursor = page["next"] is { } next ? $"&cursor={Uri.EscapeDataString((string)next!)}" : null;
            }

            Assert.Equal(whole, pages);
        }
    }

    [Fact]
    public async Task A_stream_that_is_cut_goes_on_without_loss_and_without_an_event_twice()
    {
        using var server = AuditServer.At(_api.Expiry.Endpoint, await _api.NewReader());
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await using var connection = await world.Postgres.OpenConnectionAsync(stop.Token);
        var question = new EventQuestion
        {
            Stream = "image/registry.example.com/stream/*",
            After = new Instant(null, await new EventPositions(connection).Last(stop.Token)),
        };
        await using var events = new EventStream(server, question).Read(stop.Token).GetAsyncEnumerator(stop.Token);
        var streams = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            if (i is 1 or 3)
                _api.Expiry.Kill();
            await world.AppendRequest($"registry.example.com/stream/app-{i}:1");
            if (i is 1 or 3)
                await _api.Expiry.Restart();
            Assert.True(await events.MoveNextAsync());
            streams.Add(events.Current.Stream);
        }

        Assert.Equal(Enumerable.Range(0, 5).Select(i => $"image/registry.example.com/stream/app-{i}:1"), streams);
    }

    private async Task<string> TokenFile(string token)
    {
        var file = Path.Combine(world.Folder, "token");
        await File.WriteAllTextAsync(file, token);
        return file;
    }
}
