using Kuik.EventLog;
using Kuik.Hosting;
using Microsoft.Extensions.Configuration;
using Npgsql;
using Xunit;

namespace Kuik.Tests.EventLog;

public class ConnectionStringTests
{
    [Fact]
    public void What_the_event_log_relies_on_is_added_where_the_user_has_not_decided()
    {
        var postgres = new NpgsqlConnectionStringBuilder(
            ReadPostgres("Host=db;Database=kuik;Username=kuik;Options=-c client_connection_check_interval=500"));

        Assert.Equal(100, postgres.MaxAutoPrepare);
        Assert.Contains("client_connection_check_interval=500", postgres.Options, StringComparison.Ordinal);
        Assert.DoesNotContain("client_connection_check_interval=1000", postgres.Options, StringComparison.Ordinal);
        Assert.Contains("-c idle_in_transaction_session_timeout=30000", postgres.Options, StringComparison.Ordinal);
    }

    [Fact]
    public void An_auto_prepare_that_the_user_has_turned_off_stays_off()
    {
        Assert.Equal(0, new NpgsqlConnectionStringBuilder(ReadPostgres("Host=db;Max Auto Prepare=0")).MaxAutoPrepare);
    }

    [Theory]
    [InlineData("Host=db")]
    [InlineData("Host=db;Timezone=Asia/Tokyo")]
    public void Sessions_are_in_UTC_because_Marten_writes_times_without_a_zone(string text) =>
        Assert.Equal("UTC", new NpgsqlConnectionStringBuilder(ReadPostgres(text)).Timezone);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Password=hunter2;Hots=db")]
    [InlineData("postgres://kuik:hunter2@db/kuik")]
    [InlineData("Password=hunter2")]
    public void A_wrong_Postgres_connection_string_is_refused_by_name_and_without_its_password(string? text)
    {
        var refused = Assert.Throws<InvalidSettingException>(() => ReadPostgres(text));

        Assert.StartsWith("ConnectionStrings:Postgres: ", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_brokers_address_is_kept_apart_from_its_credentials()
    {
        var broker = BusSetup.ReadConnectionString(With("RabbitMq", "amqp://ku%40ik:p%3Ass@rabbitmq:5672/vhost"));

        Assert.Equal(new BusSetup.Broker(new Uri("amqp://rabbitmq:5672/vhost"), "ku@ik", "p:ss"), broker);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("rabbitmq:5672")]
    [InlineData("http://kuik:hunter2@rabbitmq")]
    public void A_wrong_address_of_the_broker_is_refused_by_name_and_without_its_password(string? text)
    {
        var refused = Assert.Throws<InvalidSettingException>(() => BusSetup.ReadConnectionString(With("RabbitMq", text)));

        Assert.StartsWith("ConnectionStrings:RabbitMq: ", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", refused.Message, StringComparison.Ordinal);
    }

    private static string ReadPostgres(string? text) => EventLogSetup.ReadConnectionString(With("Postgres", text));

    private static IConfiguration With(string name, string? text) =>
        new ConfigurationBuilder().AddInMemoryCollection([new($"ConnectionStrings:{name}", text)]).Build();
}
