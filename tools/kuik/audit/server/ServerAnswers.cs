using System.Globalization;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>Answers of the audit API, all pages of them.</summary>
/// <param name="server">The API.</param>
internal sealed class ServerAnswers(AuditServer server) : IAuditAnswers
{
    /// <inheritdoc/>
    public async Task<ImageList> ListImages(ImageQuestion question, CancellationToken ct)
    {
        if (question.At is { } at)
        {
            var state = await Replay(at, ct);
            return new ImageList(state.Sequence, state.Time, [.. state.Images.Where(question.Covers)]);
        }
        var (images, whole) = (new List<ImageRow>(), new ImageList(0, null, []));
        for (string? cursor = ""; cursor is not null; cursor = whole.Next)
        {
            var page = await server.Get<ImageList>("images",
                [
                    ("pattern", question.Pattern), ("phase", question.Phase?.ToString()), ("unused", Flag(question.IsUnused)),
                    ("retained", Flag(question.IsRetained)), ("all", Flag(question.All)), ("namespace", question.Namespace),
                    ("cursor", Given(cursor)),
                ], ct);
            images.AddRange(page.Images);
            whole = page.Sequence > whole.Sequence ? page : whole with { Next = page.Next };
        }
        return whole with { Images = images };
    }

    /// <inheritdoc/>
    public async Task<EventHistory> ReadHistory(HistoryQuestion question, CancellationToken ct)
    {
        var events = new List<EventLine>();
        for (var cursor = ""; ;)
        {
            var left = question.Limit is { } limit ? Number(Math.Min(limit - events.Count, AuditJson.MostEntries)) : null;
            var page = await server.Get<EventHistory>("history",
                [
                    ("subject", question.Subject.ToString()), ("users", Flag(question.WithUsers)), ("since", question.Since?.ToString()),
                    ("until", question.Until?.ToString()), ("namespace", question.Namespace), ("limit", left), ("cursor", Given(cursor)),
                ], ct);
            events.InsertRange(0, page.Events);
            if (page.Next is null || events.Count >= question.Limit)
                return page with { Events = events };
            cursor = page.Next;
        }
    }

    /// <inheritdoc/>
    public Task<ImageExplanation> Explain(UseQuestion question, CancellationToken ct) => server.Get<ImageExplanation>("why",
        [("image", question.Image), ("at", question.At?.ToString()), ("namespace", question.Namespace)], ct);

    /// <inheritdoc/>
    public async Task<UserList> FindUsers(UseQuestion question, CancellationToken ct)
    {
        var users = new List<UserRow>();
        for (var cursor = ""; ;)
        {
            var page = await server.Get<UserList>("users",
                [
                    ("image", question.Image), ("at", question.At?.ToString()), ("namespace", question.Namespace),
                    ("cursor", Given(cursor)),
                ], ct);
            users.AddRange(page.Users);
            if (page.Next is null)
                return page with { Users = users };
            cursor = page.Next;
        }
    }

    /// <inheritdoc/>
    public Task<UseList> FindUses(UseHistoryQuestion question, CancellationToken ct) => server.Get<UseList>("uses",
        [
            ("image", question.Filter.Image), ("digest", question.Filter.Digest), ("namespace", question.Filter.Namespace),
            ("node", question.Filter.Node), ("owner", question.Filter.Owner), ("serviceAccount", question.Filter.ServiceAccount),
            ("since", question.Since?.ToString()), ("until", question.Until?.ToString()),
        ], ct);

    /// <inheritdoc/>
    public async Task<EventList> ListEvents(EventQuestion question, CancellationToken ct)
    {
        var (events, horizon) = (new List<EventLine>(), (string?)null);
        for (var after = question.After?.ToString(); ;)
        {
            var page = await server.Get<EventPage>("events",
                [
                    ("after", after), ("until", question.Until?.ToString()), ("stream", question.Stream), ("actor", question.Actor),
                    .. (question.Types ?? []).Select(type => ("type", (string?)type)),
                ], ct);
            events.AddRange(page.Events);
            horizon ??= page.Horizon;
            if (page.Next is null)
                return new EventList(events) { Horizon = horizon };
            after = page.Next;
        }
    }

    /// <inheritdoc/>
    public Task<StateAnswer> Replay(Instant? until, CancellationToken ct) =>
        server.Get<StateAnswer>("state", [("until", until?.ToString())], ct);

    /// <inheritdoc/>
    public Task<DifferenceList> Compare(Instant from, Instant to, CancellationToken ct) =>
        server.Get<DifferenceList>("diff", [("from", from.ToString()), ("to", to.ToString())], ct);

    /// <inheritdoc/>
    public IAsyncEnumerable<EventLine> Follow(EventQuestion question, CancellationToken ct) => new EventStream(server, question).Read(ct);

    private static string? Flag(bool isSet) => isSet ? "true" : null;

    private static string? Given(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
