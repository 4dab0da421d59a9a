using System.Buffers.Text;
using System.Security.Cryptography;
using Npgsql;

namespace Kuik.PodWatcher.Setup;

/// <summary>Computes the content of the Secret <c>kuik-credentials</c>. Pure except for randomness.</summary>
internal static class Credentials
{
    /// <summary>The only key whose value is also on a volume: in the database of the installation's own Postgres.</summary>
    public const string PostgresPassword = "postgres-password";

    /// <summary>The key of the connection string with that password.</summary>
    public const string Postgres = "postgres";

    /// <summary>
    /// bcrypt runs on every request of the registry: 2 to 3 ms at this cost, 80 to 105 at 10. The passwords are random,
    /// so that a hash cannot be guessed.
    /// </summary>
    private const int BcryptCost = 4;

    private static readonly string[] RandomKeys =
    [
        PostgresPassword, "rabbitmq-password", "registry-password", "registry-read-password", "registry-http-secret", "node-token",
        "rabbitmq-erlang-cookie",
    ];

    private static readonly Derived[] DerivedKeys =
    [
        new(Postgres, PostgresPassword, (password, host) =>
            new NpgsqlConnectionStringBuilder { Host = host, Username = "kuik", Password = password, Database = "kuik" }.ConnectionString),
        new("rabbitmq", "rabbitmq-password", (password, _) => $"amqp://kuik:{Uri.EscapeDataString(password)}@kuik-rabbitmq:5672/"),
        new("registry-htpasswd", "registry-password", (password, _) => Htpasswd("image-fetcher", password)),
        new("registry-read-htpasswd", "registry-read-password", (password, _) => Htpasswd("node-proxy", password)),
    ];

    /// <summary>
    /// The keys to add to a Secret: passwords of 32 random bytes as base64url, and the values derived from
    /// passwords. Existing keys are not changed.
    /// </summary>
    /// <param name="present">By key; empty for a Secret that does not exist.</param>
    /// <param name="postgresHost">The host of the connection string.</param>
    /// <exception cref="SetupRefusedException">A password is missing while a value derived from it exists, so that a new
    /// one would not match.</exception>
    public static IReadOnlyDictionary<string, string> MissingOf(IReadOnlyDictionary<string, string> present, string postgresHost)
    {
        foreach (var (key, password, _) in DerivedKeys)
            if (present.ContainsKey(key) && !present.ContainsKey(password))
                throw new SetupRefusedException(
                    $"Secret {CredentialsReconciler.SecretName} has the key {key} and not {password}, from which it was made: "
                    + $"restore {password}, or remove {key} too");
        var missing = RandomKeys.Where(key => !present.ContainsKey(key)).ToDictionary(key => key, _ => NewPassword());
        foreach (var (key, password, make) in DerivedKeys)
            if (!present.ContainsKey(key))
                missing[key] = make(present.GetValueOrDefault(password) ?? missing[password], postgresHost);
        return missing;
    }

    private static string NewPassword() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    private static string Htpasswd(string user, string password) => $"{user}:{BCrypt.Net.BCrypt.HashPassword(password, BcryptCost)}\n";

    private sealed record Derived(string Key, string Password, Func<string, string, string> Make);
}
