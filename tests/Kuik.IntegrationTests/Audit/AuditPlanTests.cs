using Kuik.EventLog.Audit;
using Kuik.IntegrationTests.EventLog;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>The plans of questions that are asked to a log of years.</summary>
public sealed class AuditPlanTests
{
    private static readonly (string Index, EventQuery Question)[] Questions =
    [
        ("mt_events_user_images", new EventQuery { UsersOf = AuditWorld.Nginx }),
        ("mt_events_user_images", new EventQuery { UsersOf = AuditWorld.Nginx, Until = 5, ForFold = true }),
        ("mt_events_user_name", new EventQuery { User = ("web", "front-1") }),
        ("stream", new EventQuery { Streams = ["image/" + AuditWorld.Nginx] }),
    ];

    // Of so many pods that the planner prefers an index to the table; the new entries of a GIN index are in no order until a vacuum.
    private static readonly string[] Fill =
    [
        """
        insert into kuik.mt_streams (id, version, timestamp, created, is_archived)
        select 'pod/' || n, 1, now(), now(), false from generate_series(1, 20000) n
        """,
        """
        insert into kuik.mt_events (seq_id, id, stream_id, version, data, type, timestamp, is_archived)
        select n, gen_random_uuid(), 'pod/' || n, 1, jsonb_build_object('podUid', n::text, 'namespace', 'web', 'name', 'front-' || n,
            'images', jsonb_build_array(jsonb_build_object('container', 'app', 'image', 'example.com/app-' || n, 'writtenAs', 'app')),
            'pullSecrets', '[]'::jsonb, 'observedAt', now()), 'PodObserved', now(), false
        from generate_series(1, 20000) n
        """,
        "vacuum analyze kuik.mt_events",
    ];

    [Fact]
    public async Task A_question_about_one_image_or_pod_is_answered_by_an_index()
    {
        await using var connection = new NpgsqlConnection(await MigratedDatabase.New());
        await connection.OpenAsync();
        foreach (var sql in Fill)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }

        foreach (var (index, question) in Questions)
        {
            var plan = await Explain(connection, question);

            Assert.True(
                plan.Any(line => line.Contains("Index", StringComparison.Ordinal) && line.Contains(index, StringComparison.Ordinal)),
                $"{index} is not in the plan:\n{string.Join('\n', plan)}");
        }
    }

    private static async Task<IReadOnlyList<string>> Explain(NpgsqlConnection connection, EventQuery question)
    {
        await using var explain = EventReader.CommandOf(question, 0);
        explain.Connection = connection;
        explain.CommandText = "explain " + explain.CommandText;
        var plan = new List<string>();
        await using var rows = await explain.ExecuteReaderAsync();
        while (await rows.ReadAsync())
            plan.Add(rows.GetString(0));
        return plan;
    }
}
