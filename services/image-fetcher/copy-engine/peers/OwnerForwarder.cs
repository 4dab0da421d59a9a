using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Forwards a pull to the replica that owns it. An unreachable owner is skipped; if its response breaks off, the client's transfer breaks
/// off too, and the client retries. Like every response of this service, headers are sent within a second: if the owner takes longer, the
/// client's next request waits for it.
/// </summary>
internal sealed class OwnerForwarder(HttpMessageInvoker peers, RendezvousRing owners, EngineMetrics metrics, TimeProvider time)
{
    private const int ChunkSize = 256 * 1024;

    /// <summary>How long a late response is kept for the next request.</summary>
    private static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(5);

    /// <summary>The limit of late responses: each may hold a connection, and clients choose the headers that distinguish them.</summary>
    private const int MostLate = 256;

    private static readonly string[] Asked = ["Accept", "Range", PullThrough.FreshHeader];
    private static readonly string[] Told =
        ["Content-Range", "Docker-Content-Digest", "ETag", "Accept-Ranges", "Retry-After", PullThrough.WorkingHeader];

    private readonly ConcurrentDictionary<(Uri Owner, string Question), Task<HttpResponseMessage>> _late = new();

    /// <summary>Forwards a request. True when the owner has answered; false when this replica has to serve it.</summary>
    /// <param name="http">The request.</param>
    /// <param name="key">The key whose owner is asked: a digest, or an image.</param>
    public async Task<bool> TryForward(HttpContext http, string key)
    {
        await foreach (var owner in owners.InOrder(key, http.RequestAborted))
        {
            if (owner is null)
                return false;
            try
            {
                if (await AnswerOf(http, owner) is not { } answer)
                {
                    metrics.CountForward("working");
                    return true;
                }
                using (answer)
                {
                    if (owners.IsSelf(owner, answer))
                    {
                        if (owners.IsDraining)
                            continue;
                        return false;
                    }
                    if ((int)answer.StatusCode == StatusCodes.Status503ServiceUnavailable)
                    {
                        metrics.CountForward("passed-over");
                        continue;
                    }
                    await Relay(http, answer);
                    metrics.CountForward("answered");
                    return true;
                }
            }
            catch (Exception e) when (IsGone(e, http))
            {
                owners.Failed(owner, e);
                metrics.CountForward(http.Response.HasStarted ? "broken" : "passed-over");
                if (!http.Response.HasStarted)
                    continue;
                http.Abort();
                return true;
            }
        }
        return false;
    }

    /// <summary>The owner's response; null when it is late, and 202 has been answered.</summary>
    private async Task<HttpResponseMessage?> AnswerOf(HttpContext http, Uri owner)
    {
        var headers = string.Join(' ', Asked.Select(name => http.Request.Headers[name].ToString()));
        var question = (owner, $"{http.Request.Method} {http.Request.Path} {headers}");
        var asked = _late.TryRemove(question, out var late) ? late : Ask(http.Request, owner);
        var isTaken = false;
        try
        {
            isTaken = await PullThrough.IsDoneAtOnce(http, asked, time);
            return isTaken ? await asked : null;
        }
        finally
        {
            if (!isTaken && !asked.IsFaulted)
                _ = Keep(question, asked);
        }
    }

    /// <summary>Sends the request, independently of the client: a late response is for the next identical request.</summary>
    private async Task<HttpResponseMessage> Ask(HttpRequest wanted, Uri owner)
    {
        using var silence = new CancellationTokenSource(RendezvousRing.Silence, time);
        using var request = new HttpRequestMessage(new HttpMethod(wanted.Method), new Uri(owner, wanted.Path.ToUriComponent()));
        foreach (var name in Asked)
            if (wanted.Headers.TryGetValue(name, out var value))
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)value);
        request.Headers.Add(RendezvousRing.FromHeader, owners.Identity);
        return await peers.SendAsync(request, silence.Token);
    }

    private async Task Keep((Uri Owner, string) question, Task<HttpResponseMessage> asked)
    {
        var isKept = _late.Count < MostLate && _late.TryAdd(question, asked);   // one is enough for the next request
        await ((Task)asked).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (isKept)
            await Task.Delay(KeptFor, time);
        if (isKept && !_late.TryRemove(KeyValuePair.Create(question, asked)))
            return;   // it was taken
        if (asked.IsCompletedSuccessfully)
            asked.Result.Dispose();
        else
            owners.Failed(question.Owner, asked.Exception?.InnerException ?? new TimeoutException());
    }

    private static async Task Relay(HttpContext http, HttpResponseMessage answer)
    {
        http.Response.StatusCode = (int)answer.StatusCode;
        http.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
        http.Response.ContentLength = answer.Content.Headers.ContentLength;
        foreach (var (name, value) in answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated))
            if (Told.Contains(name, StringComparer.OrdinalIgnoreCase))
                http.Response.Headers[name] = value.ToString();
        if (HttpMethods.IsHead(http.Request.Method))
            return;
        await http.Response.StartAsync(http.RequestAborted);
        await using var body = await answer.Content.ReadAsStreamAsync(http.RequestAborted);
        await body.CopyToAsync(http.Response.Body, ChunkSize, http.RequestAborted);
    }

    private static bool IsGone(Exception e, HttpContext http) =>
        e is HttpRequestException or IOException or OperationCanceledException && !http.RequestAborted.IsCancellationRequested;
}
