using System.Text.RegularExpressions;
using Kuik.EventLog;
using Kuik.Expiry;
using Kuik.ImageFetcher;
using Kuik.PodWatcher;
using Marten;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using EvictImage = Kuik.ImageFetcher.EvictImage;

namespace Kuik.Tests.EventLog;

/// <summary>The names that Postgres and RabbitMQ keep. A class may be renamed or moved, these may not: versions of Kuik run side by side
/// and share them.</summary>
public class PersistedNamesTests
{
    private static readonly string[] Events =
    [
        "PodObserved", "PodGone", "WorkloadObserved", "WorkloadGone",
        "RequestedByPod", "RequestedByPerson", "RequestedByPull", "ImageNamed", "ImageRetained", "ImageReleased",
        "ImageExpirySet", "ImageExpiryRemoved",
        "FetchDue", "ImageFetchStarted", "ImageCached", "ImageAdopted", "ImageFetchFailed", "ImageLost",
        "RefreshRequested", "OriginChecked", "TagMoved", "RepositoryConfigured", "ImageUnused", "ImageUsedAgain", "ExpiryProposed",
        "ImageForgotten",
        "ImageExpired", "EvictionDue", "ImageEvictionStarted", "ImageEvicted",
    ];

    private static readonly string[] TypesOfViews =
    [
        "ImageAdopted", "ImageCached", "ImageEvicted", "ImageEvictionStarted", "ImageExpired", "ImageExpiryRemoved", "ImageExpirySet",
        "ImageFetchFailed", "ImageFetchStarted", "ImageForgotten", "ImageLost", "ImageNamed", "ImageReleased", "ImageRetained",
        "ImageUnused", "ImageUsedAgain", "OriginChecked", "RefreshRequested", "RequestedByPerson", "RequestedByPod", "RequestedByPull",
        "TagMoved",
    ];

    [Fact]
    public void Each_consumer_has_its_queue()
    {
        var formatter = new KebabCaseEndpointNameFormatter("renamed", includeNamespace: false);
        IConsumerDefinition[] consumers =
        [
            new FetchImageDefinition(FetcherOptions.From(new ConfigurationBuilder().Build())), new EvictImageDefinition(),
            new NoteUnusedDefinition(),
        ];

        Assert.Equal(["kuik-fetch-image", "kuik-evict-image", "kuik-note-unused"],
            consumers.Select(consumer => consumer.GetEndpointName(formatter)));
        Assert.Equal([typeof(FetchImage), typeof(EvictImage), typeof(NoteUnused)], consumers.Select(consumer => consumer.ConsumerType));
    }

    [Fact]
    public void Each_event_has_its_exchange_and_its_name_in_the_log() =>   // the one from the full name, the other from the name
        Assert.Equal(Events.Select(name => $"urn:message:Kuik.Contracts:{name}"), EventTypes.All.Select(MessageUrn.ForTypeString));

    [Fact]
    public async Task Each_document_has_its_table()
    {
        await using var services = Services();
        var store = (DocumentStore)services.GetRequiredService<IDocumentStore>();

        var tables = Regex.Matches(store.Storage.ToDatabaseScript(), @"CREATE TABLE IF NOT EXISTS kuik\.(mt_doc_\w+)",
            RegexOptions.IgnoreCase)
            .Select(match => match.Groups[1].Value);

        Assert.Equal(["mt_doc_clusteridentity", "mt_doc_deadletterevent", "mt_doc_image_view_3", "mt_doc_takenname"],
            tables.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Each_projection_and_subscription_has_its_shard()
    {
        await using var services = Services();
        var store = (DocumentStore)services.GetRequiredService<IDocumentStore>();

        Assert.Equal(["image-states-1:All", "image-view-3:All", "relay:All"],
            store.Options.Projections.AllShards().Select(shard => shard.Name.Identity).Order(StringComparer.Ordinal));
        Assert.Contains("image-users", store.Options.Projections.AllProjectionNames().Select(name => name.Trim('\'')));   // quoted for SQL
    }

    [Fact]
    public async Task A_projection_of_other_events_has_another_name()
    {
        await using var services = Services();
        var store = (DocumentStore)services.GetRequiredService<IDocumentStore>();

        var views = store.Options.Projections.All.OfType<ImageViewProjection>().Single();

        // An earlier version that has led after a newer one has stepped over events that it did not read: once a release has this name,
        // another list of types needs another one (ImageView.ProjectionName and DocumentAlias), which is projected from the first event.
        Assert.Equal(
            ("image-view-3", string.Join(' ', TypesOfViews)),
            (views.Name, string.Join(' ', views.IncludedEventTypes.Intersect(EventTypes.All).Select(type => type.Name)
                .Order(StringComparer.Ordinal))));
    }

    private static ServiceProvider Services()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["ConnectionStrings:Postgres"] = "Host=127.0.0.1;Database=none;Username=none";
        builder.AddKuikEventLog("test", WatcherSetup.Documents);
        builder.AddKuikRelay();
        builder.AddKuikImageStates();
        return builder.Services.BuildServiceProvider();
    }
}
