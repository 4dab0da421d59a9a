using System.Globalization;
using System.Text.Json.Nodes;
using Kuik.CommandLine;
using Kuik.CommandLine.Audit;
using Kuik.Contracts;
using Kuik.EventLog.Audit;
using Kuik.IntegrationTests.EventLog;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>The audit on the log of a random run, on a real Postgres.</summary>
[Collection(AuditCollection.Name)]
public sealed class AuditTests(AuditWorld world, ITestOutputHelper output)
{
    private const int Instants = 50;
    private const string Nginx = AuditWorld.Nginx;

    /// <summary>Each begins with the part whose difference it makes.</summary>
    public static TheoryData<string, string> Corruptions => new()
    {
        { "usage", "delete from kuik.image_users where pod_uid = 'front-6d4cf56db6-x2x9z'" },
        { "usage", $"insert into kuik.image_users values ('{Nginx}', 'nowhere', 'web', 'ghost', '{{}}')" },
        { "usage", "update kuik.image_users set namespace = 'other' where pod_uid = 'front-6d4cf56db6-x2x9z'" },
        { "snapshot", $$"""update kuik.image_states set state = jsonb_set(state, '{digest}', '"sha256:00"') where image = '{{Nginx}}'""" },
        { "snapshot", $"delete from kuik.image_states where image = '{Nginx}'" },
        { "work", $"delete from kuik.work where image = '{Nginx}'" },
        { "work", $"insert into kuik.work (kind, image, wake_at, attempt) values ('evict', '{Nginx}', now(), 0)" },
        { "view", $$"""
            update kuik.mt_doc_image_view_3 set data = jsonb_set(data, '{cached,sizeInBytes}', '1') where id = 'image/{{Nginx}}'
            """ },
        { "view", $"delete from kuik.mt_doc_image_view_3 where id = 'image/{Nginx}'" },
        { "log", $"delete from kuik.mt_events where stream_id = 'image/{Nginx}' and version = 2" },
        { "log", $"""
            delete from kuik.mt_events e using kuik.mt_streams s
            where s.id = e.stream_id and s.version = e.version and s.id = 'image/{Nginx}'
            """ },
        { "log", "update kuik.mt_events set is_archived = true where stream_id = 'workload/w-1'" },
        { "snapshot", $$"""
            update kuik.mt_events set data = jsonb_set(data, '{digest}', '"sha256:11"')
            where type = 'ImageCached' and stream_id = 'image/{{Nginx}}'
            """ },
        { "log", $$"""
            update kuik.mt_events set data = jsonb_set(data, '{image}', '"docker.io/library/redis:7"')
            where stream_id = 'image/{{Nginx}}' and version = 1
            """ },
        { "snapshot", $"delete from kuik.mt_streams where id = 'image/{Nginx}'" },
    };

    [Fact]
    public async Task The_state_at_random_instants_is_that_of_an_independent_fold_in_SQL()
    {
        output.WriteLine($"seed {world.Seed}");
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var positions = new EventPositions(connection);
        var (first, last) = (await Ask<DateTime>(connection, "select min(timestamp) from kuik.mt_events where type <> 'tombstone'"),
            await positions.Last(default));
        var random = new Random(world.Seed);
        for (var i = 0; i < Instants; i++)
        {
            // Every second one by its sequence number: only so can an instant be between two events of one transaction.
            var instant = i % 2 == 0
                ? new Instant(null, random.NextInt64(0, last + 1))
                : new Instant(new DateTimeOffset(first).AddTicks(random.NextInt64(0, (DateTime.UtcNow - first).Ticks)), null);
            var until = await instant.Find(positions, default);
            var state = await Fold(connection, until);

            Assert.Equal(await IndependentFold.Images(connection, instant), IndependentFold.Describe(state.Images.Values));
            Assert.Equal(await IndependentFold.Users(connection, instant), IndependentFold.Describe(state.Users.Values));
        }
    }

    [Fact]
    public async Task A_clean_log_has_no_difference()
    {
        var run = await world.Shell("kuik verify");

        Assert.True((run.ExitCode, run.Errors) == (0, ""), run.Output + run.Errors);
        Assert.EndsWith("no difference\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pod_is_named_unless_it_is_outside_the_namespace_that_is_asked_about()
    {
        const string Uid = "front-6d4cf56db6-x2x9z";
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var answers = new LogAnswers(connection);

        var request = (await answers.ReadHistory(new HistoryQuestion(Subject.Parse(Nginx).Subject!), default)).Events[0];
        var explanation = await answers.Explain(new UseQuestion(Nginx) { At = new Instant(null, request.Sequence) }, default);
        var outside = await UserNames.Find(new EventReader(connection), [Uid], "apps", default);

        Assert.Equal($"pod web/{Uid} uses {Nginx}", request.Why);
        Assert.EndsWith($"requested: {request.Why}", explanation.Because[0], StringComparison.Ordinal);
        Assert.Equal($"pod {Uid}", outside.Name($"pod {Uid}", Uid));
    }

    [Fact]
    public async Task An_image_whose_tag_has_moved_has_no_difference()
    {
        var (log, at) = (await MigratedDatabase.New(), DateTimeOffset.UtcNow);
        await PodWatcher.Watchers.AppendTo(log, Nginx,
            new RequestedByPull(Nginx, at),
            new ImageCached(Nginx, "sha256:1", "m", [], [], 1, 1, 0, TimeSpan.Zero, at),
            new TagMoved(Nginx, "sha256:1", "sha256:2", "m", [], [], 1, 1, 0, TimeSpan.Zero, at));
        await using var connection = new NpgsqlConnection(log);
        await connection.OpenAsync();

        var verification = await new LogVerifier(connection).Verify(null, default);

        Assert.DoesNotContain(verification.Differences, one => one.Part == "snapshot");
    }

    [Theory]
    [MemberData(nameof(Corruptions))]
    public async Task A_corruption_is_found(string part, string sql)
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();   // rolled back
        await using (var command = new NpgsqlCommand(sql, connection))
            Assert.NotEqual(0, await command.ExecuteNonQueryAsync());

        var verification = await new LogVerifier(connection).Verify(null, default);

        Assert.Contains(verification.Differences, one => one.Part == part);
    }

    [Fact]
    public async Task An_event_of_a_newer_version_is_passed_over_and_said()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand(
            $"update kuik.mt_events set type = 'ImageSigned' where stream_id = 'image/{Nginx}' and version = 2", connection))
            await command.ExecuteNonQueryAsync();

        var verification = await new LogVerifier(connection).Verify(null, default);

        Assert.Empty(verification.Differences);
        Assert.StartsWith("1 events ImageSigned", Assert.Single(verification.Skipped), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_export_in_two_parts_imports_as_the_same_log_with_the_same_answers()
    {
        var other = await MigratedDatabase.New();
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var middle = await new EventPositions(connection).Last(default) / 2;

        var first = await world.Shell($"kuik export --until {middle} --to log.jsonl && printf '{{\"interrupted' >> log.jsonl");
        var second = await world.Shell("kuik export --to log.jsonl");
        var import = await world.Shell("kuik import log.jsonl", other);
        var again = await world.Shell("kuik import log.jsonl", other);

        Assert.True((first.ExitCode, second.ExitCode, import.ExitCode) == (0, 0, 0), first.Errors + second.Errors + import.Errors);
        Assert.Equal(70, again.ExitCode);
        Assert.Contains("is not empty", again.Errors, StringComparison.Ordinal);
        await using var copy = NpgsqlDataSource.Create(other);
        await using var copied = await copy.OpenConnectionAsync();
        foreach (var table in new[] { "mt_events", "mt_streams", "image_users", "image_states" })
            Assert.Equal((table, await Checksum(connection, table)), (table, await Checksum(copied, table)));
        Assert.Empty((await new LogVerifier(copied).Verify(null, default)).Differences);
        foreach (var command in new[] { "images --all -o json", $"history {AuditWorld.Nginx} --users -o json", "who nginx:1.27 -o json",
            "why nginx:1.27", "replay -o json" })
            Assert.Equal((await world.Shell($"kuik {command}")).Output, (await world.Shell($"kuik {command}", other)).Output);
    }

    [Fact]
    public async Task Every_example_of_the_help_runs()
    {
        // Some need another database, a cluster or its registry; PrintedTests parse them.
        var examples = new KuikCommand().Subcommands.OfType<LogCommand>().Where(command => command is not ImportCommand)
            .SelectMany(command => command.Examples).Where(example => !example.Contains("--context", StringComparison.Ordinal)
                && !example.Contains("--server", StringComparison.Ordinal) && !example.Contains("--registry", StringComparison.Ordinal));

        foreach (var example in examples)
        {
            // What follows a pipe need not be installed; what follows the log ends after an event.
            var line = example.Split(" | ")[0];
            if (line.StartsWith("kuik tail", StringComparison.Ordinal))
                line = line.Split(" --type")[0].Split(" --since")[0] + " --since 0 --count 1";

            var run = await world.Shell(line);

            // Before this run nothing was known of the image.
            var expected = line.EndsWith("--at 2h", StringComparison.Ordinal) ? 1 : 0;
            Assert.True(run.ExitCode == expected, $"{line}: {run.ExitCode} {run.Errors}");
        }
    }

    [Fact]
    public async Task An_event_log_that_does_not_answer_or_is_none_is_one_line_without_the_password_and_exit_code_70()
    {
        var empty = await (await Postgres.Shared()).NewDatabase();
        ToolResult[] runs =
        [
            await world.Shell("kuik images", $"Host=127.0.0.1;Port={FreePort.Next()};Database=kuik;Username=kuik;Password=correct-horse"),
            await world.Shell("kuik who nginx", empty),
        ];

        Assert.All(runs, run => Assert.Equal((70, ""), (run.ExitCode, run.Output)));
        Assert.All(runs, run => Assert.DoesNotContain("correct-horse", run.Errors, StringComparison.Ordinal));
        Assert.Contains("does not answer", Assert.Single(runs[0].Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
        Assert.Contains("there is no event log at", Assert.Single(runs[1].Errors.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_users_at_an_earlier_place_are_those_of_the_replay()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var last = await new EventPositions(connection).Last(default);
        foreach (var until in new[] { last / 4, last / 2, last })
        {
            var state = await Fold(connection, until);

            var users = await new ImageUserReader(connection).Find(AuditWorld.Nginx, until, default);

            Assert.Equal(state.UsersOf(AuditWorld.Nginx).Select(user => user.Key), users.Select(user => user.Key));
        }
    }

    [Fact]
    public async Task The_log_is_followed_as_JSON()
    {
        var run = await world.Shell("kuik tail --since 0 --count 3 --output json");

        var sequences = run.Output.TrimEnd().Split('\n').Select(line => (long)JsonNode.Parse(line)!["sequence"]!).ToList();
        Assert.Equal((0, 3), (run.ExitCode, sequences.Count));
        Assert.Equal(sequences.Order(), sequences);
    }

    private static async Task<ReplayedState> Fold(NpgsqlConnection connection, long until)
    {
        var state = new ReplayedState();
        await foreach (var one in new EventReader(connection).Read(new EventQuery { Until = until }, default))
            state.Apply(one);
        return state;
    }

    // Tombstones of failed appends are no events; the times of rows of streams follow from their events.
    private static Task<string> Checksum(NpgsqlConnection connection, string table) => Ask<string>(connection, table switch
    {
        "mt_events" => "select md5(string_agg(e::text, '|' order by seq_id)) from kuik.mt_events e where type <> 'tombstone'",
        "mt_streams" => """
            select md5(string_agg(concat_ws(' ', id, type, version, is_archived, tenant_id), '|' order by id)) from kuik.mt_streams
            where id <> 'mt_tombstone'
            """,
        _ => string.Create(CultureInfo.InvariantCulture, $"select md5(string_agg(t::text, '|' order by t::text)) from kuik.{table} t"),
    });

    private static async Task<T> Ask<T>(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
