using System.Globalization;
using System.Runtime.CompilerServices;
using Kuik.Contracts;
using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Answers from Postgres.</summary>
/// <param name="connection">Open, and used for nothing else meanwhile.</param>
/// <param name="progress">Gets the progress of what reads much of the log; null for none.</param>
public sealed class LogAnswers(NpgsqlConnection connection, IProgress<LogProgress>? progress = null) : IAuditAnswers
{
    private static readonly TimeSpan FollowInterval = TimeSpan.FromMilliseconds(500);

    private readonly EventPositions _positions = new(connection);
    private readonly EventReader _reader = new(connection);

    /// <inheritdoc/>
    public async Task<ImageList> ListImages(ImageQuestion question, CancellationToken ct)
    {
        if (question.At is not null)
            return ListOf(await ReplayUntil(question.At, ct), question);
        var images = question.Limit is null && question.Namespace is null ? null : await new ImagePages(connection).Read(question, ct);
        var state = new ReplayedState();
        List<string[]?> parts = images is null ? [null] : [.. images.Select(StreamName.OfImage).Chunk(ImagePages.StreamsARead)];
        foreach (var streams in parts)
            await foreach (var one in _reader.Read(
                new EventQuery { Streams = streams, OfImagesOnly = streams is null, ForFold = true }, ct))
                Apply(state, one, null);
        var counts = await ImageUsers.Counts(connection, images, ct);
        var isFull = images is { Count: > 0 } && images.Count == question.Limit;
        return ListOf(state, counts, question) with { Next = isFull ? images![^1] : null };
    }

    /// <inheritdoc/>
    public async Task<EventHistory> ReadHistory(HistoryQuestion question, CancellationToken ct)
    {
        if (question.Subject.Image is { } image)
            await CheckNamespace(image, question.Namespace, ct);
        var after = await _positions.Find(question.Since, ct) ?? 0;
        var until = Math.Min(await _positions.Find(question.Until, ct) ?? long.MaxValue,
            question.Before is { } before ? before - 1 : long.MaxValue);
        var limit = question.Limit ?? int.MaxValue;
        var lines = new List<EventLine>();
        foreach (var query in QueriesOf(question))
            lines.AddRange(await ReadLines(question, query with { Until = until }, after, limit, ct));
        lines.Sort((one, other) => one.Sequence.CompareTo(other.Sequence));
        var isCut = lines.Count > limit;
        var shown = isCut ? lines.GetRange(lines.Count - limit, limit) : lines;
        return new EventHistory(question.Subject.ToString(), await NameUsers(shown, question.Namespace, ct),
            isCut ? shown[0].Sequence.ToString(CultureInfo.InvariantCulture) : null)
        {
            Horizon = await _positions.Horizon(ct) is { Exists: true } horizon ? horizon.ToString() : null,
        };
    }

    /// <inheritdoc/>
    public async Task<ImageExplanation> Explain(UseQuestion question, CancellationToken ct)
    {
        await CheckNamespace(question.Image, question.Namespace, ct);
        var until = await FindKnown(question.At, ct);
        var image = new ImageRecord(question.Image);
        var query = new EventQuery { Streams = [StreamName.OfImage(question.Image)], Until = until ?? long.MaxValue };
        await foreach (var one in _reader.Read(query, ct))
            image = ImageRecord.Fold(image, one);
        var users = until is null
            ? await ImageUsers.Count(connection, image.Image, ct)
            : (await new ImageUserReader(connection).Find(image.Image, until, ct)).Count;
        var pulls = until is null ? await ImagePulls.Find(connection, image.Image, ct) : null;   // not in the log
        var (explanation, uid) = (ImageExplanation.Of(image, users, pulls), (image.Request as RequestedByPod)?.PodUid);
        var names = await UserNames.Find(_reader, uid is null ? [] : [uid], question.Namespace, ct);
        return explanation with { Because = [.. explanation.Because.Select(fact => names.Name(fact, uid))] };
    }

    /// <inheritdoc/>
    public async Task<UserList> FindUsers(UseQuestion question, CancellationToken ct)
    {
        var found = await new ImageUserReader(connection).Find(question.Image, await FindKnown(question.At, ct), ct);
        var users = found.Where(user => question.Namespace is null || user.Namespace == question.Namespace).ToList();
        var page = users.Skip(question.Skip).Take(question.Limit ?? int.MaxValue).Select(user => UserRow.Of(user, question.Image)).ToList();
        var end = question.Skip + page.Count;
        return new UserList(question.Image, page, end < users.Count ? end.ToString(CultureInfo.InvariantCulture) : null);
    }

    /// <inheritdoc/>
    public async Task<StateAnswer> Replay(Instant? until, CancellationToken ct) => StateAnswer.Of(await ReplayUntil(until, ct));

    /// <inheritdoc/>
    public async Task<DifferenceList> Compare(Instant from, Instant to, CancellationToken ct)
    {
        var (begin, end) = (await from.FindKnown(_positions, ct), await to.FindKnown(_positions, ct));
        if (begin > end)
            (begin, end) = (end, begin);
        var state = new ReplayedState();
        await Advance(state, begin, ct);
        var before = state.Copy();
        await Advance(state, end, ct);
        return new DifferenceList(begin, end, StateDifference.Between(before, state));
    }

    /// <inheritdoc/>
    public Task<UseList> FindUses(UseHistoryQuestion question, CancellationToken ct) =>
        new UseReader(connection, progress).Find(question, ct);

    /// <inheritdoc/>
    public Task<EventList> ListEvents(EventQuestion question, CancellationToken ct) =>
        new EventPages(connection, progress).ReadAll(question, ct);

    /// <inheritdoc/>
    public async IAsyncEnumerable<EventLine> Follow(EventQuestion question, [EnumeratorCancellation] CancellationToken ct)
    {
        var settled = new SettledEnd();
        for (var after = await _positions.Find(question.After, ct) ?? await _positions.Last(ct); ;)
        {
            var end = await settled.Advance(_positions, ct);
            await foreach (var one in _reader.Read(new EventQuery { After = after, Until = end, Types = question.Types }, ct))
                if (question.Find(one) is { } line)
                    yield return line;
            after = Math.Max(after, end);
            await Task.Delay(FollowInterval, TimeProvider.System, ct);
        }
    }

    /// <summary>The last lines of one query: at most twice the limit, and more than it if there are more.</summary>
    private async Task<List<EventLine>> ReadLines(
        HistoryQuestion question, EventQuery query, long after, int limit, CancellationToken ct)
    {
        var lines = new List<EventLine>();
        var state = ImageState.Initial;
        // From its first event, so that it is known which ones had an effect.
        await foreach (var one in _reader.Read(query, ct))
        {
            progress?.Report(new LogProgress(lines.Count, null));
            (state, var hadEffect) = Fold(state, one);
            if (one.Sequence > after && question.Subject.Covers(one) && IsIn(question, one))
                lines.Add(EventLine.Of(one) with { Counted = hadEffect });
            if (lines.Count > 2L * limit)
                lines.RemoveRange(0, lines.Count - limit - 1);
        }
        return lines;
    }

    private async Task<IReadOnlyList<EventLine>> NameUsers(List<EventLine> lines, string? space, CancellationToken ct)
    {
        var names = await UserNames.Find(_reader, lines.Select(UserUid).OfType<string>(), space, ct);
        return [.. lines.Select(line => line with { Why = names.Name(line.Why, UserUid(line)) })];

        static string? UserUid(EventLine line) => line.Event is nameof(RequestedByPod) or nameof(ImageUsedAgain)
            ? (string?)line.Data?["podUid"]
            : null;
    }

    private async Task<ReplayedState> ReplayUntil(Instant? until, CancellationToken ct)
    {
        var state = new ReplayedState();
        await Advance(state, await FindKnown(until, ct) ?? await _positions.Last(ct), ct);
        return state;
    }

    private async Task Advance(ReplayedState state, long until, CancellationToken ct)
    {
        var query = new EventQuery { After = state.Sequence, Until = until, ForFold = true };
        await foreach (var one in _reader.Read(query, ct))
            Apply(state, one, until);
    }

    private void Apply(ReplayedState state, RecordedEvent one, long? until)
    {
        state.Apply(one);
        progress?.Report(new LogProgress(until is null ? state.Events : one.Sequence, until));
    }

    // Of a place at which a whole state is asked for.
    private async Task<long?> FindKnown(Instant? place, CancellationToken ct) =>
        place is null ? null : await place.FindKnown(_positions, ct);

    private async Task CheckNamespace(string image, string? space, CancellationToken ct)
    {
        if (space is not null && !(await ImageUsers.Of(connection, image, ct)).Any(user => user.Namespace == space))
            throw new OutsideNamespaceException($"no pod and no workload in the namespace {space} uses {image}");
    }

    private static IEnumerable<EventQuery> QueriesOf(HistoryQuestion question) =>
        question.WithUsers && question.Subject.Image is { } image
            ? [question.Subject.Query, new EventQuery { UsersOf = image }]
            : [question.Subject.Query];

    // Events of the image itself are shown whole.
    private static bool IsIn(HistoryQuestion question, RecordedEvent one) => question.Namespace is not { } space
        || (UserNames.Of(one.Fact)?.Namespace ?? (question.Subject.Image is null ? null : space)) == space;

    private static ImageList ListOf(ReplayedState state, ImageQuestion question) => ListOf(state, state.UserCounts(), question);

    private static ImageList ListOf(ReplayedState state, IReadOnlyDictionary<string, int> users, ImageQuestion question) =>
        new(state.Sequence, state.RecordedAt,
        [
            .. state.Images.Values.Select(image => ImageRow.Of(image, users.GetValueOrDefault(image.Image))).Where(question.Covers)
                .OrderBy(row => row.Image, StringComparer.Ordinal),
        ]);

    private static (ImageState Image, bool HadEffect) Fold(ImageState image, RecordedEvent one)
    {
        // Announcements change no state; they were messages.
        if (one.Fact is null or PodObserved or PodGone or WorkloadObserved or WorkloadGone or FetchDue or EvictionDue or ExpiryProposed)
            return (image, true);
        var next = ImageState.Fold(image, one.Fact);
        return (next, !ReferenceEquals(next, image));
    }
}
