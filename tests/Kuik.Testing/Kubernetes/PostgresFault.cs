namespace Kuik.Testing;

/// <summary>A fault of a running Postgres.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Begin">Starts it.</param>
/// <param name="End">Ends it.</param>
public sealed record PostgresFault(string Name, Func<ScriptedCluster, Task> Begin, Func<ScriptedCluster, Task> End)
{
    /// <summary>No event can be stored: 53100.</summary>
    public static readonly PostgresFault FullDisk = OfEachEvent(
        "full disk", "raise exception 'could not extend file: No space left on device' using errcode = '53100';");

    /// <summary>No event can be stored in the time that a statement may take: 57014.</summary>
    public static readonly PostgresFault StatementTimeout =
        OfEachEvent("statement timeout", "perform pg_sleep(5); return new;", "set statement_timeout = '300ms'", "reset statement_timeout");

    /// <summary>Each event takes 300 ms to store.</summary>
    public static readonly PostgresFault Slow = OfEachEvent("slow", "perform pg_sleep(0.3); return new;");

    /// <summary>As after a failover to a standby: 25006.</summary>
    public static readonly PostgresFault ReadOnly = OfSessions(
        "read-only", "alter database \"DATABASE\" set default_transaction_read_only = on",
        "alter database \"DATABASE\" reset default_transaction_read_only");

    /// <summary>No session can be opened: 55000.</summary>
    public static readonly PostgresFault NoConnections = OfSessions(
        "no connections", "alter database \"DATABASE\" with allow_connections false",
        "alter database \"DATABASE\" with allow_connections true");

    /// <summary>Every session ends once: 57P01.</summary>
    public static readonly PostgresFault EndedSessions = new("ended sessions", cluster => cluster.EndSessions(), _ => Task.CompletedTask);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<PostgresFault> All { get; } = [FullDisk, ReadOnly, StatementTimeout, NoConnections, EndedSessions, Slow];

    private static PostgresFault OfEachEvent(string name, string body, string? setting = null, string? reset = null) => new(
        name,
        async cluster =>
        {
            await cluster.Execute($"create or replace function kuik.fault() returns trigger language plpgsql as $$ begin {body} end $$");
            await cluster.Execute(
                "create or replace trigger fault before insert on kuik.mt_events for each row execute function kuik.fault()");
            if (setting is not null)
                await Change(cluster, $"alter database \"DATABASE\" {setting}");
        },
        async cluster =>
        {
            await cluster.Execute("drop trigger if exists fault on kuik.mt_events");
            if (reset is not null)
                await Change(cluster, $"alter database \"DATABASE\" {reset}");
        });

    private static PostgresFault OfSessions(string name, string begin, string end) =>
        new(name, cluster => Change(cluster, begin), cluster => Change(cluster, end));

    // A default holds for new sessions only.
    private static async Task Change(ScriptedCluster cluster, string sql)
    {
        await cluster.ExecuteBeside(sql);
        await cluster.EndSessions();
    }
}
