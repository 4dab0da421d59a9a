using Kuik.EventLog;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

public sealed class PendingSweepsTests : IAsyncLifetime
{
    private const string Nginx = "docker.io/library/nginx";

    private LogHost _host = null!;
    private NpgsqlConnection _connection = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _host = await LogHost.Start("test", await (await Postgres.Shared()).NewDatabase());
        await _host.Services.GetRequiredService<EventLogReady>().Wait(Stop);
        _connection = await _host.Postgres.OpenConnectionAsync(Stop);
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task Many_evictions_of_a_repository_are_swept_once_when_they_have_gone_quiet()
    {
        for (var i = 0; i < 5; i++)
            await Note();
        Assert.Null(await Claim());

        await Age("last_noted", PendingSweeps.Quiet);
        var pending = await Claim();

        Assert.Equal(Nginx, pending?.Repository);
        Assert.Null(await Claim());   // one replica has it
        await PendingSweeps.Done(_connection, pending!, Stop);
        Assert.Equal(0L, await _host.Ask<long>("select count(*) from kuik.pending_sweeps"));
    }

    [Fact]
    public async Task A_repository_whose_evictions_never_go_quiet_is_swept_all_the_same()
    {
        await Note();
        await Age("first_noted", PendingSweeps.Longest);
        await Note();

        Assert.NotNull(await Claim());
    }

    [Fact]
    public async Task An_eviction_during_a_sweep_is_followed_by_another_one()
    {
        await Note();
        await Age("last_noted", PendingSweeps.Quiet);
        var pending = await Claim();
        await Note();

        await PendingSweeps.Done(_connection, pending!, Stop);
        Assert.Null(await Claim());
        await Age("last_noted", PendingSweeps.Quiet);

        Assert.NotNull(await Claim());
    }

    [Fact]
    public async Task A_sweep_whose_replica_is_gone_or_that_ended_in_doubt_is_tried_again_later_and_later()
    {
        await Note();
        await Age("last_noted", PendingSweeps.Quiet);
        await Claim();

        await Age("not_before", TimeSpan.FromMinutes(10));
        Assert.NotNull(await Claim());
        await Age("not_before", TimeSpan.FromMinutes(10));
        Assert.Null(await Claim());
        await Age("not_before", TimeSpan.FromMinutes(10));
        Assert.NotNull(await Claim());
    }

    [Fact]
    public async Task Of_several_replicas_one_sweeps_a_repository()
    {
        await Note();
        await Age("last_noted", PendingSweeps.Quiet);

        var claims = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            await using var connection = await _host.Postgres.OpenConnectionAsync(Stop);
            return await PendingSweeps.Claim(connection, Stop);
        }));

        Assert.Single(claims, claim => claim is not null);
    }

    private Task Note() => PendingSweeps.Note(_connection, Nginx, Stop);

    private Task<PendingSweep?> Claim() => PendingSweeps.Claim(_connection, Stop);

    private async Task Age(string column, TimeSpan by)
    {
        await using var command = new NpgsqlCommand($"update kuik.pending_sweeps set {column} = {column} - $1", _connection) { Parameters = { new() { Value = by + TimeSpan.FromSeconds(1) } } };
        await command.ExecuteNonQueryAsync(Stop);
    }
}
