using System.Net;
using System.Net.Sockets;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Hosting;

/// <summary>The data plane's services, each a real process that cannot start: what its operator sees is one line, and no more.</summary>
public sealed class WrongSettingsTests
{
    [Theory]
    [InlineData("Webhook", "Kuik:Proxy:Port", "http",
        """webhook: Kuik:Proxy:Port: "http" is not accepted; it must be a port, 1 to 65535""")]
    [InlineData("Webhook", "Kuik:Proxy:Port", "0", """webhook: Kuik:Proxy:Port: "0" is not accepted; it must be a port, 1 to 65535""")]
    [InlineData("Webhook", "Kuik:Proxy:PreviousPorts", "7439,x",
        """webhook: Kuik:Proxy:PreviousPorts: "x" is not accepted; it must be a list of ports, 1 to 65535""")]
    [InlineData("Webhook", "Kuik:Webhook:IgnoredImages:0", "a(",
        """webhook: Kuik:Webhook:IgnoredImages:0: "a(" is not accepted; it must be a regular expression (""")]
    [InlineData("Webhook", "Kuik:Webhook:AcceptedImages", "nginx,[",
        """webhook: Kuik:Webhook:AcceptedImages: "[" is not accepted; it must be a regular expression (""")]
    [InlineData("Webhook", "ASPNETCORE_URLS", "nonsense",
        """webhook: Urls: "nonsense" is not accepted; it must be addresses such as http://127.0.0.1:8080""")]
    [InlineData("Webhook", "ASPNETCORE_URLS", "https://127.0.0.1:0",
        """webhook: Kestrel:Certificates:Default:Path: "" is not accepted; it must be the file of the certificate""")]
    [InlineData("Webhook", "ASPNETCORE_URLS", "http://192.0.2.1:8080",
        """webhook: Urls: "http://192.0.2.1:8080" is not accepted; it must be https where others can reach it""")]
    [InlineData("NodeProxy", "Kuik:Proxy:Port", "http", """node-proxy: Kuik:Proxy:Port: "http" is not accepted; it must be a port""")]
    [InlineData("NodeProxy", "Kuik:Proxy:Port", "65536", """node-proxy: Kuik:Proxy:Port: "65536" is not accepted; it must be a port""")]
    [InlineData("NodeProxy", "Kuik:Cache:ReadEndpoint", "registry:5000",
        """node-proxy: Kuik:Cache:ReadEndpoint: "registry:5000" is not accepted; it must be an address such as http://registry:5000""")]
    public async Task A_wrong_setting_ends_a_service_with_one_line(string service, string key, string value, string line) =>
        await AssertEndsWithOneLine(service, line, (key, value));

    [Fact]
    public async Task An_address_of_another_machine_ends_the_webhook_with_one_line() => await AssertEndsWithOneLine(
        "Webhook", "webhook: cannot listen on http://192.0.2.1:8080: ", ("ASPNETCORE_URLS", "http://192.0.2.1:8080"),
        ("Kuik:Webhook:AllowPlainHttp", "true"));

    [Fact]
    public async Task A_port_in_use_ends_the_webhook_with_one_line()
    {
        using var other = Listen(out var port);

        await AssertEndsWithOneLine("Webhook", $"webhook: Failed to bind to address http://127.0.0.1:{port}: address already in use.",
            ("ASPNETCORE_URLS", $"http://127.0.0.1:{port}"));
    }

    [Theory]
    [InlineData("Kuik:Proxy:Port", "{0}")]
    [InlineData("Kuik:Metrics:Urls", "http://127.0.0.1:{0}")]
    public async Task A_port_in_use_ends_node_proxy_with_one_line(string key, string value)
    {
        using var other = Listen(out var port);

        await AssertEndsWithOneLine("NodeProxy", $"node-proxy: Failed to bind to address http://127.0.0.1:{port}: address already in use.",
            (key, string.Format(null, value, port)));
    }

    private static async Task AssertEndsWithOneLine(string service, string line, params (string Key, string? Value)[] settings)
    {
        var process = await KuikService.Start(service,
            new KuikServiceOptions { WaitFor = null, Settings = settings.ToDictionary(setting => setting.Key, setting => setting.Value) });

        var exitCode = await process.Ended();

        Assert.Equal(78, exitCode);   // EX_CONFIG
        Assert.StartsWith(line, Assert.Single(process.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    private static TcpListener Listen(out int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        port = ((IPEndPoint)listener.LocalEndpoint).Port;
        return listener;
    }
}
