using System.Collections.Concurrent;
using Kuik.ImageFetcher;
using Kuik.Testing;
using Microsoft.AspNetCore.Http;

namespace Kuik.Tests.ImageFetcher;

/// <summary>One request that a <see cref="ScriptedCloud"/> got.</summary>
/// <param name="IsDirect">It came by the connections that know no proxy.</param>
/// <param name="Asked">Method and address as they were meant: <c>POST https://sts.eu-west-1.amazonaws.com/</c>.</param>
/// <param name="Headers">By lower-case name.</param>
/// <param name="Body">As text.</param>
internal sealed record CloudRequest(bool IsDirect, string Asked, IReadOnlyDictionary<string, string> Headers, string Body);

/// <summary>
/// Every address of every cloud, as one server in this process that answers by a script. A fake because no cloud is reachable from tests,
/// and none would refuse on command; it is real on the wire, but for TLS and the names of hosts.
/// </summary>
internal sealed class ScriptedCloud : IAsyncDisposable
{
    private readonly ScriptedOrigin server;
    private readonly ConcurrentDictionary<string, (int Status, string Body)> answers = new();
    private readonly ConcurrentQueue<CloudRequest> requests = new();

    private ScriptedCloud(ScriptedOrigin server)
    {
        this.server = server;
        server.Script = _ => (http, _) => Answer(http);
        Connections = new CloudConnections(To("direct"), To("services"));
    }

    /// <summary>The connections to it.</summary>
    public CloudConnections Connections { get; }

    /// <summary>Every request so far, in order.</summary>
    public IReadOnlyList<CloudRequest> Requests => [.. requests];

    public static async Task<ScriptedCloud> Start() => new(await ScriptedOrigin.Start());

    /// <summary>Says how a request is answered; any other is with 404.</summary>
    /// <param name="asked">Method and address.</param>
    /// <param name="body">Of the answer.</param>
    /// <param name="status">Of the answer.</param>
    public ScriptedCloud Answers(string asked, string body, int status = 200)
    {
        answers[asked] = (status, body);
        return this;
    }

    /// <summary>Says that a request is never answered.</summary>
    public void Holds(string asked) => answers[asked] = (0, "");

    public ValueTask DisposeAsync()
    {
        Connections.Dispose();
        return server.DisposeAsync();
    }

    private async Task Answer(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var meant = http.Request.Headers[Redirected.Header].ToString().Split(' ', 2);
        var headers = http.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString());
        requests.Enqueue(new CloudRequest(meant[0] == "direct", meant[1], headers, await reader.ReadToEndAsync()));
        var (status, body) = answers.GetValueOrDefault(meant[1], (404, ""));
        if (status == 0)
            await Task.Delay(Timeout.InfiniteTimeSpan, http.RequestAborted);
        http.Response.StatusCode = status;
        await http.Response.WriteAsync(body);
    }

    private HttpMessageInvoker To(string way) => new(new Redirected(server.Host, way));

    /// <summary>Sends everything to one host, with a note of where it was meant to go.</summary>
    private sealed class Redirected(string host, string way) : DelegatingHandler(new SocketsHttpHandler())
    {
        public const string Header = "Scripted-Cloud";

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Add(Header, $"{way} {request.Method} {request.RequestUri}");
            request.RequestUri = new Uri($"http://{host}{request.RequestUri!.PathAndQuery}");
            return base.SendAsync(request, cancellationToken);
        }
    }
}
