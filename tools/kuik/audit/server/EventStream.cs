using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Kuik.EventLog.Audit;
using Kuik.Hosting;

namespace Kuik.CommandLine.Audit;

/// <summary>The events of the audit API's stream, each once. A stream is cut by rollouts and networks, and ended by the server every few
/// minutes: the next one continues after its last event.</summary>
/// <param name="server">The API.</param>
/// <param name="question">The events.</param>
internal sealed class EventStream(AuditServer server, EventQuestion question)
{
    private const int MostFailures = 10;

    private readonly BackOff _backOff = new(TimeProvider.System);
    private string? _last;
    private int _failures;

    /// <summary>The events, without end.</summary>
    /// <exception cref="AuditRefusedException">The API refuses; when it is unreachable, only after ten attempts.</exception>
    /// <exception cref="HttpRequestException">It is unreachable.</exception>
    public async IAsyncEnumerable<EventLine> Read([EnumeratorCancellation] CancellationToken ct)
    {
        while (true)
        {
            using var response = await TryOpen(ct);
            if (response is null)
                continue;
            await using var body = await response.Content.ReadAsStreamAsync(ct);
            var parser = SseParser.Create(body);
            await using var items = parser.EnumerateAsync(ct).GetAsyncEnumerator(ct);
            while (await TryMove(items, ct))
            {
                Keep(parser.LastEventId);
                yield return JsonSerializer.Deserialize<EventLine>(items.Current.Data, AuditJson.Options)!;
            }
            Keep(parser.LastEventId);   // also that of an event without data: a place that the server has passed
        }
    }

    private async Task<HttpResponseMessage?> TryOpen(CancellationToken ct)
    {
        var query = new List<(string, string?)>
        {
            ("after", question.After?.ToString()), ("stream", question.Stream), ("actor", question.Actor),
        };
        query.AddRange((question.Types ?? []).Select(type => ("type", (string?)type)));
        try
        {
            return await server.Open("events", query, _last, ct);
        }
        catch (Exception fault) when (_last is not null && _failures < MostFailures && MayEnd(fault))
        {
            _failures++;
            await _backOff.Wait(ct);
            return null;
        }
    }

    private static async Task<bool> TryMove(IAsyncEnumerator<SseItem<string>> items, CancellationToken ct)
    {
        try
        {
            return await items.MoveNextAsync();
        }
        catch (Exception fault) when (MayEnd(fault) && !ct.IsCancellationRequested)
        {
            return false;
        }
    }

    private void Keep(string id)
    {
        if (id.Length == 0)
            return;
        _last = id;
        _failures = 0;
        _backOff.Reset();
    }

    private static bool MayEnd(Exception fault) =>
        fault is IOException or HttpRequestException or AuditRefusedException { IsTransient: true };
}
