using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Xunit;

namespace Kuik.Tests.EventLog;

public sealed class EventHashTests
{
    private static readonly RecordedEvent Event = new(
        7, Guid.Parse("00000000-0000-4000-8000-000000000001"), "image/docker.io/library/nginx:1.27", 2, "ImageNamed",
        new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), """{"image": "docker.io/library/nginx:1.27"}""");

    public static TheoryData<RecordedEvent> Others =>
    [
        Event with { Sequence = 8 }, Event with { Id = Guid.Empty }, Event with { Stream = "image/x" }, Event with { Version = 3 },
        Event with { Type = "ImageNamed2" }, Event with { RecordedAt = Event.RecordedAt.AddMicroseconds(1) }, Event with { Data = "{}" },
        Event with { Headers = "{}" }, Event with { Headers = "" }, Event with { CausationId = "" }, Event with { CorrelationId = "" },
        Event with { RuntimeType = "" }, Event with { CausationId = "a", CorrelationId = "b" },
        Event with { CausationId = "ab", CorrelationId = "" }, Event with { CausationId = "", CorrelationId = "ab" },
    ];

    /// <summary>Heads that operators keep have been computed like this.</summary>
    [Fact]
    public void The_hash_of_an_event_is_the_same_in_every_version()
    {
        var content = EventHash.OfContent(Event);

        Assert.Equal("6a557e919216634edba4f1327e826672f48a98f2c954cb970fa46efc3d1efcd8", Convert.ToHexStringLower(content));
        Assert.Equal("676da1ad3bf866678b5181552702fc7aa69eb58c0f60c92e752f0fa12f5a51a6",
            Convert.ToHexStringLower(EventHash.Next(EventHash.Genesis, content)));
    }

    [Theory]
    [MemberData(nameof(Others))]
    public void Every_part_of_an_event_changes_its_hash(RecordedEvent other) =>
        Assert.NotEqual(EventHash.OfContent(Event), EventHash.OfContent(other));

    [Fact]
    public void Different_events_have_different_hashes() =>
        Assert.Equal(Others.Count, Others.Select(other => Convert.ToHexStringLower(EventHash.OfContent(other.Data))).Distinct().Count());

    [Fact]
    public void An_archived_event_is_unchanged_and_so_is_its_time_in_another_zone() =>
        Assert.Equal(EventHash.OfContent(Event),
            EventHash.OfContent(Event with { IsArchived = true, RecordedAt = Event.RecordedAt.ToOffset(TimeSpan.FromHours(9)) }));

    [Theory]
    [InlineData("12:ABCDEFabcdef0000000000000000000000000000000000000000000000000000", 12L)]
    [InlineData("12", null)]
    [InlineData("12:abc", null)]
    [InlineData("-1:0000000000000000000000000000000000000000000000000000000000000000", null)]
    [InlineData("x:0000000000000000000000000000000000000000000000000000000000000000", null)]
    [InlineData("1:000000000000000000000000000000000000000000000000000000000000000g", null)]
    public void A_head_is_a_sequence_number_and_a_hash(string text, long? sequence) =>
        Assert.Equal(sequence, KeptHead.Parse(text)?.Sequence);
}
