using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Passes a pull on to the replica that owns it. One that is gone is passed over; one that breaks off in the middle breaks the client's transfer too, and the client comes again.
/// Like every answer here this one says within a second that it is coming: an owner that takes longer is waited for by the request that comes next.
/// </summary>
internal sealed class OwnerForwarder(HttpMessageInvoker peers, RendezvousRing owners, EngineMetrics metrics, TimeProvider time)
{
    private const int ChunkSize = 256 * 1024;

    /// <summary>How long an answer that came late is kept for the request that comes next.</summary>
    private static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(5);

    /// <summary>Answers that are kept at a time: each may hold a connection, and clients choose the headers that tell them apart.</summary>
    private const int MostLate = 256;

    private static readonly string[] Asked = ["Accept", "Range", PullThrough.FreshHeader];
    private static readonly string[] Told = ["Content-Range", "Docker-Content-Digest", "ETag", "Accept-Ranges", "Retry-After", PullThrough.WorkingHeader];

    private readonly ConcurrentDictionary<(Uri Owner, string Question), Task<HttpResponseMessage>> _late = new();

    /// <summary>True when the owner has answered; false when this replica is to do it.</summary>
    /// <param name="http">The request.</param>
    /// <param name="key">What it is for: a digest, or an image.</param>
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

    /// <summary>Null when it has not come yet, and 202 has been answered.</summary>
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

    /// <summary>It does not end with the client: what comes late is for the next one who asks the same.</summary>
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
        var isKept = _late.Count < MostLate && _late.TryAdd(question, asked);   // one is enough for the request that comes next
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
