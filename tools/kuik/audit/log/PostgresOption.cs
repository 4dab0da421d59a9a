using System.CommandLine;
using Kuik.Hosting;
using Npgsql;

namespace Kuik.CommandLine.Audit;

/// <summary><c>--postgres</c>: the connection string of the event log, else the environment's.</summary>
internal sealed class PostgresOption : Option<string?>
{
    private const string Key = "ConnectionStrings:Postgres";

    /// <summary>In bytes: some hundred events for each system call.</summary>
    private const int ReadBufferSize = 256 * 1024;

    /// <summary>The variables that are read, in their order: the setting of the services, and the address that make run leaves.</summary>
    private static readonly string[] Variables = ["ConnectionStrings__Postgres", "KUIK_POSTGRES"];

    /// <summary>The option of a command.</summary>
    public PostgresOption() : base("--postgres")
    {
        Description = "Connection string of the event log. Default: ConnectionStrings__Postgres, else KUIK_POSTGRES. A password is better "
            + "in the environment (also PGPASSWORD) than on the command line";
        HelpName = "connection";
    }

    /// <summary>Opens a session.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="isReadOnly">True: Postgres refuses every change.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="InvalidSettingException">No connection string is given, or it is none.</exception>
    /// <exception cref="EventLogUnusableException">Postgres does not answer, or has no event log.</exception>
    public Task<NpgsqlConnection> Connect(ParseResult arguments, bool isReadOnly, CancellationToken ct)
    {
        var variable = Variables.Select(Environment.GetEnvironmentVariable).FirstOrDefault(text => text is { Length: > 0 });
        return Connect(arguments.GetValue(this) ?? variable, isReadOnly, ct);
    }

    private static async Task<NpgsqlConnection> Connect(string? text, bool isReadOnly, CancellationToken ct)
    {
        var options = Parse(text, isReadOnly);
        // Without the converters of types that no command reads: most of them would be compiled for nothing.
        var source = new NpgsqlSlimDataSourceBuilder(options.ConnectionString);
        source.EnableArrays();
        source.EnableTransportSecurity();
        source.ConfigureTypeLoading(loading => loading.EnableTypeLoading(false));   // the log has no types of its own
        var connection = source.Build().CreateConnection();
        var address = $"{options.Host}:{options.Port}/{options.Database}";
        try
        {
            await connection.OpenAsync(ct);
            await using var find = new NpgsqlCommand("select to_regclass('kuik.mt_events') is not null", connection);
            if (await find.ExecuteScalarAsync(ct) is not true)
                throw new EventLogUnusableException(
                    $"there is no event log at {address}: run pod-watcher migrate, or check the database's name");
            return connection;
        }
        catch (Exception fault) when (fault is NpgsqlException or System.Net.Sockets.SocketException or TimeoutException)
        {
            await connection.DisposeAsync();
            throw new EventLogUnusableException($"the event log at {address} does not answer: {fault.Message}", fault);
        }
    }

    /// <summary>The connection string with the options of an interactive session.</summary>
    internal static NpgsqlConnectionStringBuilder Parse(string? text, bool isReadOnly)
    {
        const string Accepted = "a Postgres connection string such as Host=postgres;Database=kuik;Username=kuik;Password=…, given by "
            + "--postgres or in the environment as ConnectionStrings__Postgres";
        if (string.IsNullOrWhiteSpace(text))
            throw new InvalidSettingException(Key, "", Accepted);
        try
        {
            var connection = new NpgsqlConnectionStringBuilder(text)
            {
                Timezone = "UTC",
                ApplicationName = "kuik",
                CommandTimeout = 600,
                ReadBufferSize = ReadBufferSize,
                Pooling = false,   // one session for one command
            };
            if (string.IsNullOrEmpty(connection.Host))
                throw new InvalidSettingException(Key, "(hidden)", Accepted);
            if (isReadOnly)
                connection.Options = $"{connection.Options} -c default_transaction_read_only=on".Trim();
            return connection;
        }
        catch (ArgumentException)
        {
            throw new InvalidSettingException(Key, "(hidden, it may hold a password)", Accepted);
        }
    }
}
