using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Kuik.Contracts;
using Kuik.NodeProxy;
using Kuik.Oci;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Kuik.Tests.NodeProxy;

/// <summary>Unexpected exceptions end as a response, a line in the log and a count, never as an empty 500.</summary>
public sealed class RegistryRequestHandlerTests : IDisposable
{
    private static readonly string Digest = "sha256:" + new string('1', 64);
    private readonly Lines _log = new();
    private readonly ServiceProvider _services;

    public RegistryRequestHandlerTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(_log);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.AddPullChain(ProxyOptions.From(builder.Configuration));
        builder.Services.AddSingleton<SocketHandover>();
        builder.Services.AddSingleton<IReadOnlyList<IPullSource>>([new ThrowingSource()]);
        _services = builder.Services.BuildServiceProvider();
    }

    public void Dispose() => _services.Dispose();

    [Theory]
    [InlineData("manifests")]
    [InlineData("blobs")]
    [InlineData("referrers")]
    public async Task A_source_that_throws_is_502_with_a_body_and_one_line_in_the_log(string kind)
    {
        var (http, body) = Request($"/v2/reg.example.com/a/{kind}/{Digest}");

        await _services.GetRequiredService<RegistryRequestHandler>().Handle(http);

        Assert.Equal((502, "application/json"), (http.Response.StatusCode, http.Response.ContentType));
        Assert.Contains("\"code\":\"UNKNOWN\"", Encoding.UTF8.GetString(body.ToArray()), StringComparison.Ordinal);
        Assert.Single(_log.Errors,
            line => line.Contains("failed unexpectedly", StringComparison.Ordinal)
                && line.Contains("UriFormatException", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/v2/example.com_70000/x/manifests/1", "")]
    [InlineData("/v2/x/manifests/1", "?ns=example.com:70000")]
    public async Task A_port_that_is_none_is_400(string path, string query)
    {
        var (http, body) = Request(path, query);

        await _services.GetRequiredService<RegistryRequestHandler>().Handle(http);

        Assert.Equal(400, http.Response.StatusCode);
        Assert.Contains("NAME_INVALID", Encoding.UTF8.GetString(body.ToArray()), StringComparison.Ordinal);
        Assert.Empty(_log.Errors);
    }

    [Theory]
    [InlineData("true", false, "reg.example.com:5000/a/b:V1")]
    [InlineData("true", true, "reg.example.com-5000/a/b:V1")]
    [InlineData("false", false, "reg.example.com-5000/a/b:V1")]
    public async Task A_path_of_v1_is_a_host_and_a_port_where_that_is_asked_for_and_no_host_has_the_whole_name(string accepts, bool exists,
        string image)
    {
        var source = new ScriptedSource("cache");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Kuik:Proxy:AcceptV1Paths"] = accepts;
        builder.Services.AddSingleton(TimeProvider.System);
        builder.AddPullChain(ProxyOptions.From(builder.Configuration));
        builder.Services.AddSingleton<SocketHandover>();
        builder.Services.AddSingleton<IReadOnlyList<IPullSource>>([source]);
        builder.Services.AddSingleton(new V1Paths(
            new AddressResolver(_ => exists
                ? [IPAddress.Loopback]
                : throw new SocketException((int)SocketError.HostNotFound), TimeProvider.System), TimeProvider.System));
        await using var services = builder.Services.BuildServiceProvider();
        var (http, _) = Request("/v2/reg.example.com-5000/a/b/manifests/V1");

        await services.GetRequiredService<RegistryRequestHandler>().Handle(http);

        Assert.Contains($"GET {image}", source.Asked);
    }

    private (HttpContext Http, MemoryStream Body) Request(string path, string query = "")
    {
        var http = new DefaultHttpContext();
        var body = new MemoryStream();
        http.Features.Set(new PullConnection(_services.GetRequiredService<SocketHandover>()));
        http.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(body));
        (http.Request.Method, http.Request.Path, http.Request.QueryString) = ("GET", path, new QueryString(query));
        return (http, body);
    }

    private sealed class ThrowingSource : IPullSource
    {
        public string Name => "cache";

        public Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct) => throw new UriFormatException("odd");

        public Task<Answer> AskReferrers(ImageReference image, CancellationToken ct) => throw new UriFormatException("odd");

        public Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct) =>
            throw new UriFormatException("odd");
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public List<string> Errors { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Error)
                Errors.Add($"{formatter(state, exception)} {exception?.GetType().Name}");
        }
    }
}
