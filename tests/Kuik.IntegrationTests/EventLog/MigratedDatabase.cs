using System.Collections.Concurrent;
using Kuik.EventLog;
using Kuik.PodWatcher;
using Kuik.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>A database with the event log's tables, made by the same code as <c>pod-watcher migrate</c>.</summary>
internal static class MigratedDatabase
{
    private static readonly ConcurrentDictionary<string, Lazy<Task>> Migrated = new();

    /// <summary>A new one on the shared server.</summary>
    public static async Task<string> New() => await New(await Postgres.Shared());

    /// <summary>A new one.</summary>
    public static async Task<string> New(Postgres server)
    {
        var database = await server.NewDatabase();
        await Ensure(database);
        return database;
    }

    /// <summary>Migrates a database of this test run, unless that was done before.</summary>
    public static Task Ensure(string database) => Migrated.GetOrAdd(database, name => new Lazy<Task>(() => Migrate(name))).Value;

    /// <summary>Migrates, whatever was done before.</summary>
    public static async Task Migrate(string database)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["ConnectionStrings:Postgres"] = database;
        builder.AddKuikEventLog("migrate", WatcherSetup.Documents);
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        await app.Services.GetRequiredService<SchemaMigrator>().Migrate(CancellationToken.None);
    }
}
