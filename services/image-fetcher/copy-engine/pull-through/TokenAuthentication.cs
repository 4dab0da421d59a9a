using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Headers;
using Kuik.Hosting;
using Kuik.Oci;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Lets only node-proxies and other replicas in: every request but those for health and metrics needs the token of <see
/// cref="FetcherToken.FileKey"/>. A NetworkPolicy
/// cannot do this, because node-proxy's requests come from node addresses. Without the setting every request is let in.
/// </summary>
internal sealed partial class TokenAuthentication
{
    private static readonly PathString[] Open = ["/healthz", "/readyz", "/metrics"];

    private const string Explanation =
        $"image-fetcher serves node-proxies and its own replicas only: it requires the token of {FetcherToken.FileKey}";

    /// <summary>Between two lines about refused requests.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private readonly SecretFile? _token;
    private readonly TimeProvider _time;
    private readonly ILogger<TokenAuthentication> _logger;
    private readonly Counter<long> _refused;
    private long _loggedAt;   // UTC ticks

    /// <param name="token">Null: none is required.</param>
    /// <param name="time">The clock.</param>
    /// <param name="meters">For the count of refused requests.</param>
    /// <param name="logger">Told of refused requests, once a minute, without what they showed.</param>
    public TokenAuthentication(SecretFile? token, TimeProvider time, IMeterFactory meters, ILogger<TokenAuthentication> logger)
    {
        (_token, _time, _logger) = (token, time, logger);
        _refused = meters.Create("Kuik.ImageFetcher").CreateCounter<long>(
            "kuik_fetcher_unauthorized", description: "Requests that were refused because they had no token, or a wrong one");
        if (token is null)
            LogOpen(FetcherToken.FileKey);
    }

    /// <summary>Answers 401, or calls what is behind it.</summary>
    public Task Invoke(HttpContext http, RequestDelegate next)
    {
        if (_token is null || Open.Contains(http.Request.Path))
            return next(http);
        var shown = AuthenticationHeaderValue.TryParse(http.Request.Headers.Authorization, out var header)
            && string.Equals(header.Scheme, FetcherToken.Scheme, StringComparison.OrdinalIgnoreCase) ? header.Parameter : null;
        return shown is not null && _token.Matches(shown) ? next(http) : Refuse(http, shown is null ? "no token" : "a wrong token");
    }

    private Task Refuse(HttpContext http, string problem)
    {
        _refused.Add(1, KeyValuePair.Create<string, object?>("reason", problem == "no token" ? "missing" : "wrong"));
        var now = _time.GetUtcNow().UtcTicks;
        var before = Interlocked.Read(ref _loggedAt);
        if (now - before >= LogInterval.Ticks && Interlocked.CompareExchange(ref _loggedAt, now, before) == before)
            LogRefused(http.Connection.RemoteIpAddress, problem, FetcherToken.FileKey);
        http.Response.StatusCode = StatusCodes.Status401Unauthorized;
        http.Response.Headers.WWWAuthenticate = FetcherToken.Challenge;
        http.Response.ContentType = RegistryErrors.MediaType;
        return HttpMethods.IsHead(http.Request.Method)
            ? Task.CompletedTask
            : http.Response.WriteAsync(RegistryErrors.Body("UNAUTHORIZED", Explanation), http.RequestAborted);
    }

    [LoggerMessage(LogLevel.Information,
        "{Setting} is not set: every client that reaches this port can pull images that pods' secrets open")]
    private partial void LogOpen(string setting);

    [LoggerMessage(LogLevel.Warning,
        "request from {Address} refused: it has {Problem}; node-proxies and replicas need the token of {Setting}. "
        + "Further ones of this minute are only counted")]
    private partial void LogRefused(IPAddress? address, string problem, string setting);
}
