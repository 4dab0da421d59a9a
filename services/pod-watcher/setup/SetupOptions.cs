using Kuik.Hosting;
using Npgsql;

namespace Kuik.PodWatcher.Setup;

/// <summary>The options of setup.</summary>
/// <param name="Namespace"><c>Kuik:Namespace</c>, default <c>kuik-system</c>.</param>
/// <param name="OwnsCertificate"><c>Kuik:Setup:Certificate</c>, default <c>own</c> (here true): Kuik creates and renews the webhook's
/// certificate and writes caBundle; <c>external</c>: cert-manager or an operator does both.</param>
/// <param name="ExternalPostgres"><c>ConnectionStrings:Postgres</c> if its host is not <see cref="PostgresHost"/>; null: the Postgres of
/// this installation, with the connection string of the credentials Secret.</param>
internal sealed record SetupOptions(string Namespace, bool OwnsCertificate, string? ExternalPostgres)
{
    /// <summary>The Service of the installation's own Postgres.</summary>
    public string PostgresHost { get; init; } = "kuik-postgres";

    /// <summary>The claim that the StatefulSet of the installation's own Postgres creates.</summary>
    public string PostgresClaim { get; init; } = "data-kuik-postgres-0";

    /// <summary>The names in the webhook's certificate: the API server requests <c>kuik-webhook.(namespace).svc</c>.</summary>
    public IReadOnlyList<string> WebhookNames { get; init; } =
        [$"kuik-webhook.{Namespace}.svc", $"kuik-webhook.{Namespace}.svc.cluster.local", $"kuik-webhook.{Namespace}", "kuik-webhook"];

    /// <summary>Parses the options from the configuration.</summary>
    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static SetupOptions From(IConfiguration configuration)
    {
        var options = new SetupOptions(WatcherOptions.From(configuration).Namespace, configuration["Kuik:Setup:Certificate"] switch
        {
            null or "" or "own" => true,
            "external" => false,
            var other => throw new InvalidSettingException("Kuik:Setup:Certificate", other, "own or external"),
        }, null);
        if (configuration["ConnectionStrings:Postgres"] is not { } text || string.IsNullOrWhiteSpace(text))
            return options;
        return options.IsOwn(HostOf(text)) ? options : options with { ExternalPostgres = text };
    }

    private static string HostOf(string connection)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(connection).Host ?? "";
        }
        catch (ArgumentException)
        {
            throw new InvalidSettingException(
                "ConnectionStrings:Postgres", "(hidden, it holds a password)",
                "a Postgres connection string such as Host=postgres;Database=kuik;Username=kuik;Password=…");
        }
    }

    private bool IsOwn(string host) => host == PostgresHost || host.StartsWith(PostgresHost + ".", StringComparison.Ordinal);
}
