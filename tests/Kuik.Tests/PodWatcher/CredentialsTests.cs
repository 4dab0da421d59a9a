using Kuik.PodWatcher.Setup;
using Npgsql;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class CredentialsTests
{
    [Fact]
    public void A_Secret_that_is_not_there_gets_every_key()
    {
        var made = Credentials.MissingOf(new Dictionary<string, string>(), "kuik-postgres");

        Assert.Equal(
            [
                "node-token", "postgres", "postgres-password", "rabbitmq", "rabbitmq-erlang-cookie", "rabbitmq-password",
                "registry-htpasswd", "registry-http-secret", "registry-password", "registry-read-htpasswd", "registry-read-password",
            ],
            made.Keys.Order(StringComparer.Ordinal));
        Assert.Equal($"Host=kuik-postgres;Username=kuik;Password={made["postgres-password"]};Database=kuik", made["postgres"]);
        Assert.Equal($"amqp://kuik:{made["rabbitmq-password"]}@kuik-rabbitmq:5672/", made["rabbitmq"]);
        Assert.StartsWith("image-fetcher:$2a$04$", made["registry-htpasswd"], StringComparison.Ordinal);
        Assert.StartsWith("node-proxy:$2a$04$", made["registry-read-htpasswd"], StringComparison.Ordinal);
        var passwords = made.Where(one => one.Key.EndsWith("password", StringComparison.Ordinal));
        Assert.All(passwords, one => Assert.Matches("^[A-Za-z0-9_-]{43}$", one.Value));
        Assert.Equal(7, made.Values.Where(value => value.Length == 43).Distinct().Count());
    }

    [Fact]
    public void A_whole_Secret_lacks_nothing() =>
        Assert.Empty(Credentials.MissingOf(Credentials.MissingOf(new Dictionary<string, string>(), "kuik-postgres"), "kuik-postgres"));

    [Fact]
    public void Values_derived_from_a_users_password_contain_it_with_any_characters()
    {
        const string odd = "a;b'c\"d @/:%";
        var present = new Dictionary<string, string> { ["postgres-password"] = odd, ["rabbitmq-password"] = odd };

        var made = Credentials.MissingOf(present, "kuik-postgres");

        Assert.Equal(odd, new NpgsqlConnectionStringBuilder(made["postgres"]).Password);
        Assert.Equal($"kuik:{odd}", Uri.UnescapeDataString(new Uri(made["rabbitmq"]).UserInfo));
    }

    [Fact]
    public void A_password_is_not_created_again_where_a_value_was_derived_from_it()
    {
        var present = new Dictionary<string, string> { ["registry-htpasswd"] = "x" };

        var refused = Assert.Throws<SetupRefusedException>(() => Credentials.MissingOf(present, "kuik-postgres"));

        Assert.Contains("registry-htpasswd and not registry-password", refused.Message, StringComparison.Ordinal);
    }
}
