using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>The questions of the API. Their answers are those of <c>kuik</c>.</summary>
internal static class AuditOperations
{
    /// <summary>The parameter for which the right in one namespace is enough.</summary>
    public const string Namespace = "namespace";

    /// <summary>In one answer; some 400 bytes each.</summary>
    private const int MostUses = 100_000;

    private static readonly AuditParameter Cursor = new("cursor", "the next of the page before");
    private static readonly AuditParameter Limit = new("limit", "the number of entries of a page, at most and by default 1000", "integer");
    private static readonly AuditParameter Image = new("image", "an image as in a pod", IsRequired: true);
    private static readonly AuditParameter At = new("at", "a time in RFC 3339 or a sequence number; default now");

    private static readonly AuditParameter OfNamespace =
        new(Namespace, "only what pods and workloads of this namespace use; the right in this namespace is enough");

    /// <summary>The log itself: a page, or a stream of server-sent events.</summary>
    public static AuditOperation Events { get; } = new("events",
        "A page of the log or, for Accept: text/event-stream, the events as they are recorded; Last-Event-ID continues a stream.",
        typeof(EventPage),
        [
            new("after", "only events after this place; default the first of a page, the end of the log for a stream"),
            new("until", "of pages: only events up to this place"), new("actor", "only events by this actor"),
            new("stream", "only streams that match; * stands for any text"),
            new("type", "only events of this type; may be repeated"), Limit,
        ]);

    /// <summary>Those with one answer.</summary>
    public static IReadOnlyList<AuditOperation> Questions { get; } =
    [
        new("images", "The images.", typeof(ImageList),
        [
            new("pattern", "only references that match; * stands for any text"), new("phase", "only images of this phase"),
            new("unused", "only images without users", "boolean"), new("retained", "only images that never expire", "boolean"),
            new("all", "also images that have left the cache", "boolean"), OfNamespace, Cursor, Limit,
        ])
        {
            Prepare = query =>
            {
                var question = ImagesOf(query);
                return async (answers, ct) => await answers.ListImages(question, ct);
            },
        },
        new("history", "The events of an image, pod or workload; the first page has the last ones.", typeof(EventHistory),
        [
            new("subject", Subject.Accepted, IsRequired: true), new("users", "of an image: also events of its users", "boolean"),
            new("since", "only events after this place"), new("until", "only events up to this place"), OfNamespace, Cursor, Limit,
        ])
        {
            Prepare = query =>
            {
                var question = HistoryOf(query);
                return async (answers, ct) => await answers.ReadHistory(question, ct);
            },
        },
        new("why", "The reasons for an image's state.", typeof(ImageExplanation), [Image, At, OfNamespace])
        {
            Prepare = query =>
            {
                var question = UseOf(query);
                return async (answers, ct) => await answers.Explain(question, ct);
            },
        },
        new("users", "The pods and workloads that use an image.", typeof(UserList), [Image, At, OfNamespace, Cursor, Limit])
        {
            Prepare = query =>
            {
                var skip = (int)Math.Min(query.Number("cursor") ?? 0, int.MaxValue);
                var question = UseOf(query) with { Skip = skip, Limit = query.Limit() };
                return async (answers, ct) => await answers.FindUsers(question, ct);
            },
        },
        new("uses", "The uses of images within a time: by which pod or workload, from when to when.", typeof(UseList),
        [
            new("image", "only uses of this image"), new("digest", "only containers that ran these bytes"), OfNamespace,
            new("node", "only pods on this node"), new("owner", "only pods of this top controller: Deployment/front"),
            new("serviceAccount", "only pods that ran as this ServiceAccount"),
            new("since", "only uses that had not ended at this place"), new("until", "only uses that had begun at this place"),
        ])
        {
            IsFold = true,
            Prepare = query =>
            {
                var question = UsesOf(query);
                return async (answers, ct) => await answers.FindUses(question, ct);
            },
        },
        new("state", "The state of everything, folded from the log.", typeof(StateAnswer),
            [new("until", "a time in RFC 3339 or a sequence number; default the end of the log")])
        {
            IsFold = true,
            Prepare = query =>
            {
                var until = query.Place("until", Now);
                return async (answers, ct) => await answers.Replay(until, ct);
            },
        },
        new("diff", "The differences between two places in the log.", typeof(DifferenceList),
        [
            new("from", "a time in RFC 3339 or a sequence number", IsRequired: true),
            new("to", "a time in RFC 3339 or a sequence number", IsRequired: true),
        ])
        {
            IsFold = true,
            Prepare = query =>
            {
                var (from, to) = (query.Place("from", Now)!, query.Place("to", Now)!);
                return async (answers, ct) => await answers.Compare(from, to, ct);
            },
        },
    ];

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private static ImageQuestion ImagesOf(AuditQuery query) => new()
    {
        Pattern = query.Text("pattern"),
        Phase = query.Phase("phase"),
        IsUnused = query.Flag("unused"),
        IsRetained = query.Flag("retained"),
        All = query.Flag("all"),
        Namespace = query.Text(Namespace),
        After = query.Text("cursor") ?? "",
        Limit = query.Limit(),
    };

    private static HistoryQuestion HistoryOf(AuditQuery query) => new(query.Subject("subject"))
    {
        WithUsers = query.Flag("users"),
        Since = query.Place("since", Now),
        Until = query.Place("until", Now),
        Before = query.Number("cursor"),
        Limit = query.Limit(),
        Namespace = query.Text(Namespace),
    };

    private static UseHistoryQuestion UsesOf(AuditQuery query) => new(new UseFilter(
        query.Text("image") is null ? null : query.Image("image"), query.Text("digest"), query.Text(Namespace), query.Text("node"),
        query.Text("owner"), query.Text("serviceAccount")))
    {
        Since = query.Place("since", Now),
        Until = query.Place("until", Now),
        Most = MostUses,
    };

    private static UseQuestion UseOf(AuditQuery query) =>
        new(query.Image("image")) { At = query.Place("at", Now), Namespace = query.Text(Namespace) };
}
