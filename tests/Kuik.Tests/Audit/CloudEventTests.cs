using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.CommandLine.Audit;
using Kuik.EventLog.Audit;
using Xunit;
using static Kuik.Tests.Audit.AuditLog;

namespace Kuik.Tests.Audit;

/// <summary>Events as CloudEvents.</summary>
public class CloudEventTests
{
    private static readonly RecordedEvent Event = Recorded(Cached, 4_000_000_000, 3) with
    {
        Headers = """{"service": "image-fetcher", "traceparent": "00-1-2-01", "later": {"nested": true}}""",
        CausationId = "c",
        CorrelationId = "d",
        RuntimeType = "Kuik.Contracts.ImageCached, Kuik.Contracts",
        IsArchived = true,
    };

    [Fact]
    public void An_exported_event_reads_back_as_the_same() =>
        Assert.Equal(Text(Event), Text(CloudEvent.Parse(CloudEvent.Of(Event).AsLine()).AsRecorded()));

    [Fact]
    public void The_first_event_carries_the_place_before_which_the_exported_log_was_not_whole()
    {
        var horizon = LogHorizon.None with { Sequence = 3_000_000_000, RecordedAt = Noon };

        Assert.Equal(horizon, CloudEvent.Parse(CloudEvent.Of(Event with { Horizon = horizon }).AsLine()).AsRecorded().Horizon);
        Assert.Null(CloudEvent.Parse(CloudEvent.Of(Event).AsLine()).AsRecorded().Horizon);
    }

    [Fact]
    public void An_event_of_a_newer_version_too()
    {
        var newer = Event with { Type = "ImageSigned", Data = """{"key":12345678901234567890}""", Fact = null };

        Assert.Equal(newer.Data, CloudEvent.Parse(CloudEvent.Of(newer).AsLine()).AsRecorded().Data);
    }

    [Fact]
    public void Attributes_follow_the_specification()
    {
        var json = JsonNode.Parse(CloudEvent.Of(Event).AsLine())!.AsObject();

        Assert.All(json.Select(field => field.Key), name => Assert.Matches("^[a-z0-9]{1,20}$", name));
        Assert.All(json.Where(field => field.Key != "data"), field => Assert.IsAssignableFrom<JsonValue>(field.Value));
        Assert.Equal(
            ("1.0", "kuik.enix.io.ImageCached", "/kuik/image-fetcher", $"image/{Nginx}", "00-1-2-01"),
            ((string?)json["specversion"], (string?)json["type"], (string?)json["source"], (string?)json["subject"],
                (string?)json["traceparent"]));
        Assert.Equal(Event.RecordedAt, DateTimeOffset.Parse((string)json["time"]!, null));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""{"specversion": "0.3", "id": "x"}""")]
    public void Other_lines_are_refused(string line) => Assert.ThrowsAny<JsonException>(() => CloudEvent.Parse(line));

    private static string Text(RecordedEvent one) => JsonSerializer.Serialize(one with { Fact = null, Problem = null });
}
