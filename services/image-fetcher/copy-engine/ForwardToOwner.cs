using Microsoft.AspNetCore.Http;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Passes a pull on to the replica that owns it. One that is gone is passed over; one that breaks off in the middle breaks the client's transfer too.</summary>
internal sealed class ForwardToOwner(HttpMessageInvoker peers, BlobOwners owners, TimeProvider time)
{
    private const int ChunkSize = 256 * 1024;

    /// <summary>How long an owner may say nothing: it answers within a second, or says that it works.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    private static readonly string[] Asked = ["Accept", "Range", PullThrough.FreshHeader];
    private static readonly string[] Told = ["Content-Range", "Docker-Content-Digest", "ETag", "Accept-Ranges", "Retry-After", PullThrough.WorkingHeader];

    /// <summary>True when the owner has answered; false when this replica is to do it.</summary>
    /// <param name="http">The request.</param>
    /// <param name="key">What it is for: a digest, or an image.</param>
    public async Task<bool> Run(HttpContext http, string key)
    {
        if (http.Request.Headers.ContainsKey(PullThrough.ForwardedHeader))
            return false;
        await foreach (var owner in owners.InOrder(key, http.RequestAborted))
        {
            if (owner is null)
                return false;
            try
            {
                using var answer = await Ask(http, owner);
                if ((int)answer.StatusCode == StatusCodes.Status503ServiceUnavailable)
                    continue;
                await Relay(http, answer);
                return true;
            }
            catch (Exception e) when (IsGone(e, http))
            {
                owners.PassOver(owner, e);
                if (!http.Response.HasStarted)
                    continue;
                http.Abort();
                return true;
            }
        }
        return false;
    }

    private async Task<HttpResponseMessage> Ask(HttpContext http, Uri owner)
    {
        using var silence = new CancellationTokenSource(Silence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, http.RequestAborted);
        using var request = new HttpRequestMessage(new HttpMethod(http.Request.Method), new Uri(owner, http.Request.Path.ToUriComponent()));
        foreach (var name in Asked)
            if (http.Request.Headers.TryGetValue(name, out var value))
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)value);
        request.Headers.Add(PullThrough.ForwardedHeader, "1");
        return await peers.SendAsync(request, either.Token);
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
