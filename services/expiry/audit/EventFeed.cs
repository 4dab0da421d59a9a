using System.Globalization;
using System.Text.Json;
using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>The log as pages, and as streams of server-sent events. A singleton.</summary>
public sealed class EventFeed(AuditPool pool, LogEnd logEnd, AuditLimits limits, IHostApplicationLifetime lifetime, TimeProvider time)
{
    /// <summary>The media type of a stream.</summary>
    public const string StreamType = "text/event-stream";

    /// <summary>The length of a stream: its right is checked again when the client continues it.</summary>
    private static readonly TimeSpan LongestStream = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    /// <summary>The time without a byte, which proxies and clients would take for a broken connection.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(15);

    /// <summary>True when the request asks for a stream.</summary>
    public static bool IsStream(HttpRequest request) =>
        request.Headers.Accept.Any(value => value?.Contains(StreamType, StringComparison.OrdinalIgnoreCase) == true);

    /// <summary>Answers with a page or a stream.</summary>
    /// <exception cref="BadHttpRequestException">A parameter is not accepted.</exception>
    public async Task Answer(HttpContext http)
    {
        var ct = http.RequestAborted;
        var query = AuditQuery.Read(http.Request.Query, AuditOperations.Events.Parameters);
        var question = new EventQuestion
        {
            After = query.Place("after", time.GetUtcNow()),
            Until = query.Place("until", time.GetUtcNow()),
            Stream = query.Text("stream"),
            Types = query.Texts("type"),
            Actor = query.Text("actor"),
        };
        if (IsStream(http.Request))
        {
            if (question.Until is not null)
                throw new BadHttpRequestException("until: a stream follows the log; ask for pages (Accept: application/json)");
            await AnswerStream(http, question);
            return;
        }
        var end = await logEnd.Find(ct);
        EventPage page;
        await using (var connection = await pool.Open(ct))
            page = await new EventPages(connection).Read(
                question with { After = question.After ?? new Instant(null, 0) }, end, query.Limit(), ct);
        await http.Response.WriteAsJsonAsync(page, AuditJson.Options, ct);
    }

    private async Task AnswerStream(HttpContext http, EventQuestion question)
    {
        using var permit = limits.TryStream();
        if (permit is null)
        {
            await AuditProblem.Write(http, StatusCodes.Status429TooManyRequests, AuditLimits.TooManyStreams, AuditLimits.RetryAfter);
            return;
        }
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
        var after = LastOf(http.Request) ?? await Begin(question, end.Token);
        http.Response.ContentType = StreamType;
        http.Response.Headers.CacheControl = "no-store";
        try
        {
            await Send(http.Response, question with { After = new Instant(null, after) }, end.Token);
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            return;   // this replica stops: the client continues the stream at another one
        }
    }

    private async Task Send(HttpResponse response, EventQuestion question, CancellationToken ct)
    {
        var (began, after, written) = (time.GetTimestamp(), question.After!.Sequence!.Value, (long?)null);
        while (time.GetElapsedTime(began) < LongestStream)
        {
            var page = await Read(question with { After = new Instant(null, after) }, ct);
            after = page.Last;
            var isSilent = written is not { } last || time.GetElapsedTime(last) > LongestSilence;
            if (page.Events.Count > 0 || isSilent)
            {
                await Write(response, page, ct);
                written = time.GetTimestamp();
            }
            if (page.Next is null)
                await Task.Delay(Interval, time, ct);
        }
    }

    private static async Task Write(HttpResponse response, EventPage page, CancellationToken ct)
    {
        foreach (var line in page.Events)
            await response.WriteAsync(
                $"id: {Text(line.Sequence)}\nevent: {line.Event}\ndata: {JsonSerializer.Serialize(line, AuditJson.Options)}\n\n", ct);
        // An id without data is no event for a client, but the place where it continues.
        if (page.Events.Count == 0)
            await response.WriteAsync($"id: {Text(page.Last)}\n\n", ct);
        await response.Body.FlushAsync(ct);
    }

    // No connection is held while the stream waits, or while a slow client reads.
    private async Task<EventPage> Read(EventQuestion question, CancellationToken ct)
    {
        var (after, end) = (question.After!.Sequence!.Value, await logEnd.Find(ct));
        if (end <= after)
            return new EventPage([], after);
        await using var connection = await pool.Open(ct);
        return await new EventPages(connection).Read(question, end, AuditJson.MostEntries, ct);
    }

    private async Task<long> Begin(EventQuestion question, CancellationToken ct)
    {
        await using var connection = await pool.Open(ct);
        var positions = new EventPositions(connection);
        return await positions.Find(question.After, ct) ?? await positions.Last(ct);
    }

    private static long? LastOf(HttpRequest request)
    {
        if (request.Headers["Last-Event-ID"].FirstOrDefault() is not { Length: > 0 } text)
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var last)
            ? last
            : throw new BadHttpRequestException($"Last-Event-ID: '{text}' is not a sequence number");
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
