using System.Net.Sockets;
using Kuik.Testing;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

public class PostgresAndRabbitMqTests
{
    [Fact]
    public async Task A_new_database_is_empty_and_its_data_outlives_a_stop_and_start()
    {
        var postgres = await Postgres.StartOwn();
        var database = await postgres.NewDatabase();
        await Execute(database, "create table kept (value int); insert into kept values (42)");

        await postgres.Stop();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => Execute(database, "select 1"));
        await postgres.Start();

        NpgsqlConnection.ClearAllPools();
        Assert.Equal(42, await Execute(database, "select value from kept"));
        Assert.Equal(0L, await Execute(await postgres.NewDatabase(), "select count(*) from pg_tables where schemaname = 'public'"));
    }

    [Fact]
    public async Task A_virtual_host_outlives_a_stop_and_start_but_not_the_loss_of_the_data()
    {
        var rabbit = await RabbitMq.StartOwn();
        var address = await rabbit.NewVirtualHost();

        await rabbit.Stop();
        await Assert.ThrowsAsync<SocketException>(() => Connect(new Uri(address)));
        await rabbit.Start();
        Assert.Contains(new Uri(address).AbsolutePath[1..], await VirtualHosts(rabbit), StringComparison.Ordinal);

        await rabbit.Stop();
        await rabbit.StartWithoutData();
        Assert.DoesNotContain(new Uri(address).AbsolutePath[1..], await VirtualHosts(rabbit), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_an_external_server_only_objects_created_here_are_touched_and_it_is_never_stopped()
    {
        var (theirPostgres, theirRabbit) = (await Postgres.Shared(), await RabbitMq.Shared());
        var namedPostgres = new NamedPostgres(theirPostgres.AdminConnection);
        var namedRabbit = new NamedRabbitMq(theirRabbit.Address, theirRabbit.Management.ToString());
        var (postgres, rabbit) = (new Postgres(namedPostgres), new RabbitMq(namedRabbit));

        var database = await postgres.NewDatabase();
        var virtualHost = new Uri(await rabbit.NewVirtualHost()).AbsolutePath[1..];
        Assert.Equal(1, await Execute(database, "select 1"));
        Assert.Contains(virtualHost, await VirtualHosts(theirRabbit), StringComparison.Ordinal);
        await Assert.ThrowsAsync<NotSupportedException>(postgres.Stop);
        await Assert.ThrowsAsync<NotSupportedException>(rabbit.Stop);
        await Assert.ThrowsAsync<NotSupportedException>(() => rabbit.StartWithoutData());

        namedPostgres.DropMade();
        namedRabbit.DeleteMade();
        NpgsqlConnection.ClearAllPools();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => Execute(database, "select 1"));
        Assert.DoesNotContain(virtualHost, await VirtualHosts(theirRabbit), StringComparison.Ordinal);
    }

    private static async Task<object?> Execute(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    private static async Task Connect(Uri address)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(address.Host, address.Port);
    }

    private static Task<string> VirtualHosts(RabbitMq rabbit) =>
        RunTool.Run("curl", ["-sf", new Uri(rabbit.Management, "api/vhosts").ToString()]);
}
