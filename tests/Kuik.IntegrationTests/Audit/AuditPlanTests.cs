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

    [Fact]
    public async Task A_question_about_one_image_or_pod_is_answered_by_an_index()
    {
        await using var connection = new NpgsqlConnection(await MigratedDatabase.New());
        await connection.OpenAsync();
        await using (var command = new NpgsqlCommand("set enable_seqscan = off", connection))
            await command.ExecuteNonQueryAsync();

        foreach (var (index, question) in Questions)
        {
            var plan = await Explain(connection, question);

            Assert.Contains(plan, line =>
                line.Contains("Index", StringComparison.Ordinal) && line.Contains(index, StringComparison.Ordinal));
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
