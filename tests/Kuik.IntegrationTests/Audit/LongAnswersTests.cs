using Kuik.EventLog.Audit;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>Answers that are too long for one page of the audit API.</summary>
[Collection(AuditCollection.Name)]
public sealed class LongAnswersTests(AuditWorld world)
{
    [Fact]
    public async Task More_uses_than_the_question_takes_are_refused()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var question = new UseHistoryQuestion(new UseFilter()) { Most = 1 };

        var refused = await Assert.ThrowsAsync<AnswerTooLongException>(() => new LogAnswers(connection).FindUses(question, default));

        Assert.StartsWith("there are more than 1 uses: ask about one image", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pages_of_events_together_are_all_events_that_are_asked_for()
    {
        await using var connection = await world.Postgres.OpenConnectionAsync();
        var (pages, end) = (new EventPages(connection), await new EventPositions(connection).Last(default));
        var question = new EventQuestion { After = new Instant(null, 5), Until = new Instant(null, end - 5), Stream = "image/*" };

        var sequences = new List<long>();
        for (var after = question.After; after is not null;)
        {
            var page = await pages.Read(question with { After = after }, end, 3, default);
            Assert.InRange(page.Events.Count, 0, 3);
            sequences.AddRange(page.Events.Select(line => line.Sequence));
            after = page.Next is { } next ? new Instant(null, long.Parse(next, System.Globalization.CultureInfo.InvariantCulture)) : null;
        }

        Assert.Equal((await pages.ReadAll(question, default)).Events.Select(line => line.Sequence), sequences);
        Assert.NotEmpty(sequences);
    }
}
