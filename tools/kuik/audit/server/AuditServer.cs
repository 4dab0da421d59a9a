using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>A connection to the audit API: directly, or through the proxy of the Kubernetes API server.</summary>
internal sealed class AuditServer : IDisposable
{
    /// <summary>The header of the token: the API server's proxy removes <c>Authorization</c>.</summary>
    private const string TokenHeader = "X-Kuik-Token";

    private const int LongestProblem = 64 * 1024;

    private readonly Uri _base;
    private readonly string _token;
    private readonly HttpClient _http;
    private readonly k8s.Kubernetes? _cluster;

    private AuditServer(Uri address, string token, HttpClient http, k8s.Kubernetes? cluster)
    {
        (_base, _token, _http, _cluster) = (new Uri(address.AbsoluteUri.TrimEnd('/') + "/audit/v1/"), token, http, cluster);
    }

    /// <summary>The API at an address.</summary>
    public static AuditServer At(Uri address, string token) =>
        new(address, token, new HttpClient { Timeout = Timeout.InfiniteTimeSpan }, null);

    /// <summary>The API of a cluster, through its API server.</summary>
    /// <param name="configuration">Address and credentials of the API server.</param>
    /// <param name="space">Kuik's namespace.</param>
    /// <param name="token">For the audit API; null: that of the configuration.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="EventLogUnusableException">The configuration has no token.</exception>
    public static async Task<AuditServer> OfCluster(
        KubernetesClientConfiguration configuration, string space, string? token, CancellationToken ct)
    {
        configuration.HttpClientTimeout = Timeout.InfiniteTimeSpan;
        var cluster = new k8s.Kubernetes(configuration);
        var proxy = $"{cluster.BaseUri.AbsoluteUri.TrimEnd('/')}/api/v1/namespaces/{space}/services/https:kuik-audit:443/proxy";
        return new AuditServer(new Uri(proxy), token ?? await TokenOf(cluster, ct), cluster.HttpClient, cluster);
    }

    /// <summary>Gets a document.</summary>
    /// <param name="path">Below <c>/audit/v1/</c>.</param>
    /// <param name="query">Names and values; those without a value are left out.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="AuditRefusedException">The API refuses, or the way to it does.</exception>
    /// <exception cref="OutsideNamespaceException">The subject is none of the question's namespace.</exception>
    public async Task<T> Get<T>(string path, IEnumerable<(string Name, string? Value)> query, CancellationToken ct)
    {
        using var response = await Send(path, query, "application/json", null, ct);
        await using var body = await response.Content.ReadAsStreamAsync(ct);
        return await JsonSerializer.DeserializeAsync<T>(body, AuditJson.Options, ct)
            ?? throw new EventLogUnusableException($"the audit API at {_base} answered null");
    }

    /// <summary>Opens a stream of server-sent events.</summary>
    /// <param name="path">Below <c>/audit/v1/</c>.</param>
    /// <param name="query">Names and values; those without a value are left out.</param>
    /// <param name="lastId">The id of the last event of the stream before; null for none.</param>
    /// <param name="ct">Cancels it.</param>
    /// <inheritdoc cref="Get"/>
    public Task<HttpResponseMessage> Open(string path, IEnumerable<(string Name, string? Value)> query, string? lastId,
        CancellationToken ct) => Send(path, query, "text/event-stream", lastId, ct);

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _cluster?.Dispose();
    }

    private async Task<HttpResponseMessage> Send(
        string path, IEnumerable<(string Name, string? Value)> query, string accept, string? lastId, CancellationToken ct)
    {
        var given = query.Where(one => one.Value is not null).Select(one => $"{one.Name}={Uri.EscapeDataString(one.Value!)}");
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_base, $"{path}?{string.Join('&', given)}"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        if (lastId is not null)
            request.Headers.Add("Last-Event-ID", lastId);
        if (_cluster?.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, ct);
        request.Headers.Add(TokenHeader, _token);
        var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await Refusal(response, ct);
    }

    private async Task<Exception> Refusal(HttpResponseMessage response, CancellationToken ct)
    {
        var body = new byte[LongestProblem];
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var length = await stream.ReadAtLeastAsync(body, LongestProblem, throwOnEndOfStream: false, ct);
        var text = Encoding.UTF8.GetString(body, 0, length);
        var (isOurs, sentence) = Read(text);
        if (isOurs && response.StatusCode == HttpStatusCode.NotFound)
            return new OutsideNamespaceException(sentence);
        if (isOurs && response.StatusCode == HttpStatusCode.Gone)
            return new HistoryRemovedException(sentence);
        return new AuditRefusedException(
            $"{(isOurs ? "the audit API" : "the way to the audit API")} at {_base.Authority} answered {(int)response.StatusCode}: "
                + sentence,
            isTransient: response.StatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError);
    }

    /// <summary>The sentence of a problem (RFC 9457) of the audit API, or of a Status of the API server in front of it.</summary>
    internal static (bool IsOurs, string Sentence) Read(string text)
    {
        try
        {
            var problem = JsonNode.Parse(text) as JsonObject;
            if ((string?)problem?["detail"] is { } detail)
                return (true, detail);
            return (false, (string?)problem?["message"] ?? text);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return (false, text);
        }
    }

    private static async Task<string> TokenOf(k8s.Kubernetes cluster, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, cluster.BaseUri);
        if (cluster.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, ct);
        return request.Headers.Authorization is { Scheme: "Bearer", Parameter: { Length: > 0 } token }
            ? token
            : throw new EventLogUnusableException("the kubeconfig has no token, and the audit API cannot see its certificate: use "
                + "--token-file with a file made by 'kubectl create token NAME'");
    }
}
