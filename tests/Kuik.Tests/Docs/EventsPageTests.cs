using System.Text.RegularExpressions;
using System.Xml.Linq;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Testing;
using MassTransit;
using Xunit;

namespace Kuik.Tests.Docs;

/// <summary>docs/events.md says what the code says: one row an event, who writes it, who consumes it.</summary>
public sealed partial class EventsPageTests
{
    private static readonly Type[] Services =
        [typeof(Kuik.Expiry.NoteUnused), typeof(Kuik.ImageFetcher.FetchImage), typeof(Kuik.PodWatcher.ImageExpiryService),
            typeof(Kuik.Webhook.RewritePod), typeof(Kuik.NodeProxy.RegistryRequestHandler)];

    private static readonly IReadOnlyList<Row> Rows =
    [
        .. File.ReadLines(Path.Combine(Checkout.Root, "docs", "events.md")).Select(line => RowOfAnEvent().Match(line))
        .Where(match => match.Success)
            .Select(match => new Row(match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value, match.Groups[4].Value,
                match.Groups[5].Value)),
    ];

    public static TheoryData<string> Events => [.. EventRecords().Select(record => record.Name)];

    [Fact]
    public void Every_event_has_exactly_one_row_and_every_row_is_an_event()
    {
        var (events, rows) = (EventRecords().Select(record => record.Name).ToList(), Rows.Select(row => row.Event).ToList());

        Assert.True(!events.Except(rows).Any(), $"docs/events.md has no row for {string.Join(", ", events.Except(rows))}");
        Assert.True(!rows.Except(events).Any(),
            $"docs/events.md has rows for what is no event in shared/Contracts: {string.Join(", ", rows.Except(events))}");
        Assert.True(rows.Count == rows.Distinct().Count(),
            $"docs/events.md has more than one row for "
                + $"{string.Join(", ", rows.GroupBy(row => row).Where(row => row.Count() > 1).Select(row => row.Key))}");
    }

    [Fact]
    public void The_event_log_holds_every_event() =>
        Assert.Equal(EventRecords().Select(record => record.Name).Order(), EventTypes.All.Select(type => type.Name).Order());

    [Theory]
    [MemberData(nameof(Events))]
    public void A_row_says_the_stream_the_writer_and_the_meaning_that_the_record_says(string name)
    {
        var row = Rows.Single(row => row.Event == name);
        var record = EventRecords().Single(record => record.Name == name);
        var summary = Summary(record);

        var stream = record.GetProperty("Image") is not null ? "image/{reference}"
            : record.GetProperty("Repository") is not null ? "repository/{name}"
            : record.GetProperty("WorkloadUid") is not null ? "workload/{uid}" : "pod/{uid}";

        Assert.Equal(stream, row.Stream);
        Assert.Equal($"{row.Means} Written by {row.WrittenBy}.", summary);
    }

    [Theory]
    [MemberData(nameof(Events))]
    public void A_row_names_the_consumers_that_there_are(string name)
    {
        var consumers =
            from service in Services
            from type in service.Assembly.GetTypes()
            where type.GetInterfaces()
                .Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IConsumer<>) && i.GenericTypeArguments[0].Name == name)
            select $"{Folder(service)} (`{type.Name}`)";

        Assert.Equal(consumers.DefaultIfEmpty("–").Order(), Rows.Single(row => row.Event == name).ConsumedBy.Split(", ").Order());
    }

    // An event is a record of Contracts that says when it happened.
    private static IEnumerable<Type> EventRecords() => typeof(ImageCached).Assembly.GetExportedTypes().Where(type =>
        type != typeof(ImageState) && type.GetProperties().Any(property => property.PropertyType == typeof(DateTimeOffset)));

    private static string Summary(Type record)
    {
        var documentation = XDocument.Load(Path.Combine(AppContext.BaseDirectory, "Kuik.Contracts.xml"), LoadOptions.PreserveWhitespace);
        var summary = documentation.Descendants("member").Single(member => (string?)member.Attribute("name") == "T:" + record.FullName)
            .Element("summary")!;
        foreach (var code in summary.Elements("c").ToList())
            code.ReplaceWith($"`{code.Value}`");
        return Whitespace().Replace(summary.Value, " ").Trim();
    }

    private static string Folder(Type service) =>
        KebabCase().Replace(service.Assembly.GetName().Name!["Kuik.".Length..], "-").ToLowerInvariant();

    [GeneratedRegex(@"\A\| `(\w+)` \| `([^`]+)` \| ([a-z-]+) \| ([^|]+) \| ([^|]+) \|\z")]
    private static partial Regex RowOfAnEvent();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();

    [GeneratedRegex(@"(?<=[a-z])(?=[A-Z])")]
    private static partial Regex KebabCase();

    private sealed record Row(string Event, string Stream, string WrittenBy, string Means, string ConsumedBy);
}
