using JasperFx.Events;
using JasperFx.Events.Projections;
using Kuik.Contracts;
using Marten;
using Marten.Events.Aggregation;
using Npgsql;

namespace Kuik.Expiry;

/// <summary>
/// Finds the images that a sweep should look at: a document for each image, kept up to date behind the log. It may be behind, so it decides nothing:
/// whoever gets a candidate folds its stream and decides by that.
/// </summary>
public static class FindImages
{
    /// <summary>How many candidates one question returns at most; the next sweep gets the rest.</summary>
    private const int Limit = 1000;

    private const string Document = "kuik.mt_doc_expiry_image";

    /// <summary>Adds the documents and what keeps them up to date.</summary>
    public static void Configure(StoreOptions options)
    {
        options.Schema.For<ImageLife>().DocumentAlias("expiry_image");
        options.Projections.Add(new Projection(), ProjectionLifecycle.Async);
    }

    /// <summary>Images that would be unused if nobody used them, and that have no row in the usage table.</summary>
    public static Task<IReadOnlyList<string>> WithoutUsers(NpgsqlDataSource postgres, CancellationToken ct) => Ask(postgres, $"""
        select data ->> 'image' from {Document}
        where (data ->> 'canBecomeUnused')::boolean and not exists (select from kuik.image_users where image = data ->> 'image')
        order by id limit {Limit}
        """, [], ct);

    /// <summary>Images whose delay has passed and that pod-watcher has not been asked about since the given moment.</summary>
    public static Task<IReadOnlyList<string>> Expiring(NpgsqlDataSource postgres, DateTimeOffset now, TimeSpan requestLease, CancellationToken ct) => Ask(postgres, $"""
        select data ->> 'image' from {Document}
        where (data ->> 'expiresAt')::timestamptz <= $1 and coalesce((data ->> 'proposedAt')::timestamptz <= $2, true)
        order by (data ->> 'expiresAt')::timestamptz limit {Limit}
        """, [now, now - requestLease], ct);

    /// <summary>Images with something open that nobody has taken for as long as the lease (a minute, where it was announced once), or not finished in time.</summary>
    public static Task<IReadOnlyList<string>> Overdue(NpgsqlDataSource postgres, DateTimeOffset now, TimeSpan requestLease, CancellationToken ct) => Ask(postgres, $"""
        select data ->> 'image' from {Document}
        where data ->> 'standing' in ('Wanted', 'Leaving')
          and ((data ->> 'takenUntil')::timestamptz <= $1 or (data ->> 'announcedAt')::timestamptz <= $2
            or (data ->> 'announcedAt' = data ->> 'openSince' and (data ->> 'announcedAt')::timestamptz <= $3))
        order by (data ->> 'openSince')::timestamptz limit {Limit}
        """, [now, now - requestLease, now - AnnounceAgain.SecondPatience(requestLease)], ct);

    private static async Task<IReadOnlyList<string>> Ask(NpgsqlDataSource postgres, string sql, DateTimeOffset[] times, CancellationToken ct)
    {
        await using var command = postgres.CreateCommand(sql);
        foreach (var time in times)
            command.Parameters.Add(new() { Value = time.ToUniversalTime() });
        await using var rows = await command.ExecuteReaderAsync(ct);
        var images = new List<string>();
        while (await rows.ReadAsync(ct))
            images.Add(rows.GetString(0));
        return images;
    }

    private sealed class Projection : SingleStreamProjection<ImageLife, string>
    {
        public Projection()
        {
            Name = "expiry-images";
            IncludeArchivedEvents = true;
            foreach (var fact in Facts)
                IncludeType(fact);
        }

        private static readonly Type[] Facts =
        [
            typeof(RequestedByPod), typeof(RequestedByPerson), typeof(RequestedByPull), typeof(FetchDue), typeof(ImageFetchStarted), typeof(ImageFetchFailed),
            typeof(ImageCached), typeof(ImageRetained), typeof(ImageReleased), typeof(ImageUnused), typeof(ExpiryProposed), typeof(ImageUsedAgain),
            typeof(ImageExpired), typeof(EvictionDue), typeof(ImageEvictionStarted), typeof(ImageEvicted),
        ];

        public override ImageLife Evolve(ImageLife? snapshot, string id, IEvent e) => ImageLife.Fold(snapshot ?? ImageLife.Nothing with { Id = id }, e.Data);
    }
}
