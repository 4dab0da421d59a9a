using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Kuik.Contracts;
using Marten;
using Marten.Subscriptions;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Kuik.EventLog;

/// <summary>
/// Follows the log and brings outdated snapshots and work up to their streams: an earlier version, which runs beside this one
/// during an upgrade, appends without them. After a change of <see cref="ImageState.FoldVersion"/>, and on a log without
/// snapshots, it reads the whole log once.
/// </summary>
/// <param name="transactions">Resolved at the first event: they depend on the store, which depends on this.</param>
public sealed class ImageStateRefresher(Func<EventLogTransactions> transactions) : SubscriptionBase
{
    /// <summary>The name of its progress in the log: another one for each fold version.</summary>
    public static readonly string ShardName = $"image-states-{ImageState.FoldVersion}";

    internal static readonly Type[] Facts =
    [
        typeof(RequestedByPod), typeof(RequestedByPerson), typeof(RequestedByPull), typeof(ImageNamed), typeof(ImageRetained),
        typeof(ImageReleased), typeof(ImageExpirySet), typeof(ImageExpiryRemoved), typeof(ImageAdopted),
        typeof(ImageForgotten), typeof(ImageFetchStarted), typeof(ImageCached), typeof(ImageFetchFailed), typeof(ImageLost),
        typeof(ImageUnused),
        typeof(ImageUsedAgain), typeof(ImageExpired), typeof(ImageEvictionStarted), typeof(ImageEvicted),
        typeof(RefreshRequested), typeof(OriginChecked), typeof(TagMoved),
    ];

    /// <inheritdoc/>
    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        await UnknownEvents.EnsureNone(operations, page.SequenceFloor, page.SequenceCeiling, cancellationToken);
        var images = page.Events.Select(e => StreamName.ImageOf(e.StreamKey!)).Distinct().Order(StringComparer.Ordinal).ToList();
        await transactions().Execute(log => log.Refresh(images, cancellationToken), cancellationToken);
        return NullChangeListener.Instance;
    }
}

/// <summary>Registration of the refresher.</summary>
public static class ImageStateRefresherSetup
{
    /// <summary>
    /// Adds it. Only expiry hosts it; of its replicas, the leader runs it. Call it with <see cref="EventLogSetup.AddKuikEventLog"/>.
    /// </summary>
    public static WebApplicationBuilder AddKuikImageStates(this WebApplicationBuilder builder)
    {
        builder.Services.ConfigureMarten((services, options) => options.Projections.Subscribe(
            new ImageStateRefresher(services.GetRequiredService<EventLogTransactions>),
            subscription =>
            {
                subscription.Name = ImageStateRefresher.ShardName;
                subscription.IncludeArchivedEvents = true;
                subscription.Options.BatchSize = 200;
                foreach (var fact in ImageStateRefresher.Facts)
                    subscription.IncludeType(fact);
            }));
        return builder;
    }
}
