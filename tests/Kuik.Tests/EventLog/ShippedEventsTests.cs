using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Xunit;

namespace Kuik.Tests.EventLog;

/// <summary>
/// Events as every version has stored them (golden/events.jsonl, a log): each is read, and the log folds to the states of
/// golden/states.json. Lines of the log are added and never changed; a change of states.json is a new fold version.
/// </summary>
public sealed class ShippedEventsTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "EventLog", "golden");

    private static readonly IReadOnlyList<RecordedEvent> Log =
        [.. File.ReadLines(Path.Combine(Folder, "events.jsonl")).Select((line, index) => Parse(JsonNode.Parse(line)!, index + 1))];

    [Fact]
    public void Every_event_is_read_and_nothing_of_it_is_lost()
    {
        foreach (var one in Log)
        {
            Assert.True(one.Fact is not null, $"line {one.Sequence}: {one.Problem}");
            var written = JsonSerializer.SerializeToNode(one.Fact, one.Fact.GetType(), FactReader.Json)!;
            foreach (var (name, value) in JsonNode.Parse(one.Data)!.AsObject())
                Assert.True(Includes(written[name], value), $"line {one.Sequence}: {name} is {written[name]?.ToJsonString() ?? "lost"}");
        }
    }

    [Fact]
    public void Every_property_of_every_event_has_been_shipped_in_a_line()
    {
        var shipped = Log.SelectMany(one => JsonNode.Parse(one.Data)!.AsObject().Select(field => $"{one.Type}.{field.Key}")).ToHashSet();

        var declared = EventTypes.All.SelectMany(type => type.GetProperties()
            .Select(property => $"{type.Name}.{JsonNamingPolicy.CamelCase.ConvertName(property.Name)}"));

        Assert.Equal([], declared.Where(property => !shipped.Contains(property)));
    }

    [Fact]
    public void The_log_folds_to_the_states_that_it_had()
    {
        var (state, steps) = (new ReplayedState(), new List<string>());
        foreach (var one in Log)
        {
            state.Apply(one);
            if (one.Stream.StartsWith("image/", StringComparison.Ordinal))
                steps.Add($"{one.Sequence} {one.Type}: {Describe(state.Images[one.Stream["image/".Length..]].State)}");
        }
        var views = Log.Where(one => one.Stream.StartsWith("image/", StringComparison.Ordinal)).GroupBy(one => one.Stream)
            .Select(stream =>
                stream.Aggregate((ImageView?)null, (view, one) => ImageView.Fold(view, one.Stream, one.Sequence, one.Fact!))!);

        var folded = JsonSerializer.SerializeToNode(new
        {
            Steps = steps,
            Images = state.Images.Values.Select(image => image.State),
            Stages = views.Select(view => $"{view.Image} {view.Stage}"),
            Users = state.Users.Values,
        }, FactReader.Json)!;

        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "states.json")))!;
        Assert.True(Includes(folded, expected), folded.ToJsonString(new JsonSerializerOptions(FactReader.Json) { WriteIndented = true }));
    }

    private static string Describe(ImageState image) => $"{image.Phase} {image.Attempt}";

    // What a later version adds is no difference.
    private static bool Includes(JsonNode? found, JsonNode? expected) => (found, expected) switch
    {
        (JsonObject has, JsonObject asked) => asked.All(field => Includes(has[field.Key], field.Value)),
        (JsonArray has, JsonArray asked) => has.Count == asked.Count && has.Zip(asked).All(pair => Includes(pair.First, pair.Second)),
        _ => JsonNode.DeepEquals(found, expected)
            || (found?.ToString(), expected?.ToString()) is ({ } one, { } other)
                && TimeSpan.TryParse(one, CultureInfo.InvariantCulture, out var time)
                && TimeSpan.TryParse(other, CultureInfo.InvariantCulture, out var same) && time == same,
    };

    private static RecordedEvent Parse(JsonNode line, long number)
    {
        var (type, data) = (line["type"]!.GetValue<string>(), line["data"]!.ToJsonString());
        var (fact, problem) = FactReader.Read(type, data);
        return new RecordedEvent(
            number, Guid.Empty, line["stream"]!.GetValue<string>(), line["version"]!.GetValue<long>(), type, DateTimeOffset.UnixEpoch, data)
        {
            Fact = fact,
            Problem = problem,
        };
    }
}
