using Kuik.EventLog;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// The command <c>setup</c> of pod-watcher's init container: <see cref="ClusterSetup"/>, then the migration of the event log.
/// </summary>
internal static class SetupCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="args">The command line; settings may follow the verb.</param>
    /// <returns>0 on success; 75: retry; 70: an operator has to act first, the log has the cause.</returns>
    /// <exception cref="InvalidSettingException">A setting is invalid.</exception>
    public static async Task<int> Run(string[] args)
    {
        var builder = NewBuilder(args);
        builder.AddKuikKubernetes();
        builder.Services.AddSetup(builder.Configuration);
        string postgres;
        await using (var app = builder.Build())
        {
            var setup = app.Services.GetRequiredService<ClusterSetup>();
            if (await setup.Prepare(CancellationToken.None) is var code and not 0)
                return code;
            postgres = setup.Postgres;
        }
        // The event log is configured by the connection string, whose Secret did not exist before.
        builder = NewBuilder(args);
        builder.Configuration["ConnectionStrings:Postgres"] = postgres;
        builder.AddKuikEventLog("pod-watcher", WatcherSetup.Documents);
        await using var migration = builder.Build();
        return await migration.MigrateAsync();
    }

    /// <summary>Registers the parts of setup.</summary>
    public static IServiceCollection AddSetup(this IServiceCollection services, IConfiguration configuration) => services
        .AddSingleton(SetupOptions.From(configuration))
        .AddSingleton<SecretClient>()
        .AddSingleton<CredentialsReconciler>()
        .AddSingleton<WebhookCertificateReconciler>()
        .AddSingleton<ClusterSetup>();

    private static WebApplicationBuilder NewBuilder(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.AddKuikDefaults("pod-watcher");
        return builder;
    }
}
