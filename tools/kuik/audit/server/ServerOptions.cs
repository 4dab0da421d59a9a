using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Kuik.Hosting;

namespace Kuik.CommandLine.Audit;

/// <summary><c>--server</c>, <c>--token-file</c> and the cluster's options: the way to the audit API, and the token for it.</summary>
internal sealed class ServerOptions
{
    /// <summary>Names the API of the cluster in place of an address.</summary>
    public const string OfCluster = "cluster";

    private const string Variable = "KUIK_SERVER";

    private readonly Option<string?> _server = new("--server")
    {
        Description = $"The audit API in place of Postgres: its address, or '{OfCluster}' to reach it through the API server of the "
            + $"kubeconfig. Default: {Variable}, else Postgres",
        HelpName = $"url|{OfCluster}",
    };

    private readonly Option<string?> _tokenFile = new("--token-file")
    {
        Description = $"File with a bearer token of Kubernetes for the audit API. Default with --server {OfCluster}: the token of the "
            + "kubeconfig",
        HelpName = "file",
    };

    private readonly ClusterOptions _cluster = new();

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_server);
        command.Options.Add(_tokenFile);
        _cluster.AddTo(command);
    }

    /// <summary>True when the command line names an API.</summary>
    public bool IsGiven(CommandResult command) => command.GetResult(_server) is { Implicit: false };

    /// <summary>A connection to the API; null when Postgres is to be read. Sends no request yet.</summary>
    /// <exception cref="InvalidSettingException">The address, the kubeconfig or the token is not usable.</exception>
    /// <exception cref="EventLogUnusableException">There is no token.</exception>
    public async Task<AuditServer?> Connect(ParseResult arguments, CancellationToken ct)
    {
        var text = arguments.GetValue(_server) ?? Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(text))
            return null;
        var token = arguments.GetValue(_tokenFile) is { } file ? await ReadToken(file, ct) : null;
        if (text == OfCluster)
            return await AuditServer.OfCluster(_cluster.Configure(arguments), _cluster.NamespaceOf(arguments), token, ct);
        if (!ConfigurationReader.TryParseEndpoint(text, out var address))
            throw new InvalidSettingException("--server", text, $"{OfCluster}, or an address such as http://127.0.0.1:8080");
        if (address.Scheme == "http" && !IsLoopback(address))
            throw new InvalidSettingException("--server", text, "an https address, unless it is of this machine: the token is not sent "
                + "in plain text over a network");
        return AuditServer.At(address, token ?? throw new InvalidSettingException("--token-file", null,
            "a file with a token, for example that of 'kubectl create token NAME'"));
    }

    private static bool IsLoopback(Uri address) => address.Host == "localhost"
        || (IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));

    private static async Task<string> ReadToken(string file, CancellationToken ct)
    {
        try
        {
            return (await File.ReadAllTextAsync(file, ct)).Trim() is { Length: > 0 } token && !token.Any(char.IsWhiteSpace)
                ? token
                : throw new InvalidSettingException("--token-file", file, "a file with one token");
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new InvalidSettingException("--token-file", file, $"a readable file ({fault.Message})");
        }
    }
}
