using System.Runtime.InteropServices;
using Kuik.EventLog;
using Kuik.Hosting;

namespace Kuik.ImageFetcher.GarbageCollection;

/// <summary>
/// The command <c>collect-garbage</c>, for a CronJob or an operator. In a container it must be the first process, so that the kernel ends
/// the collector together with it: the lease ends with this process.
/// </summary>
internal static class CollectGarbageCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="args">The command line; settings may follow the verb.</param>
    /// <returns>The exit code of <see cref="RegistryCollector.Collect"/>.</returns>
    /// <exception cref="InvalidSettingException">A setting is invalid.</exception>
    public static async Task<int> Run(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.AddKuikDefaults("image-fetcher");
        builder.AddKuikEventLog("image-fetcher");
        builder.Services.AddSingleton(GarbageCollectionOptions.From(builder.Configuration));
        builder.Services.AddSingleton<RegistryCollector>();
        await using var app = builder.Build();   // none of its hosted services is started
        using var stop = new CancellationTokenSource();
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        return await app.Services.GetRequiredService<RegistryCollector>().Collect(stop.Token);

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;   // the collector is stopped first
            stop.Cancel();
        }
    }
}
