using System.Runtime.InteropServices;
using Kuik.EventLog;
using Kuik.Hosting;

namespace Kuik.ImageFetcher.GarbageCollection;

/// <summary>
/// The command <c>collect-garbage</c>, as a CronJob or a person runs it. In a container it has to be the first process, so that the
/// kernel ends the collector together with
/// it: the lease ends with this process.
/// </summary>
internal static class CollectGarbageCommand
{
    /// <summary>Runs it.</summary>
    /// <param name="args">The command line; settings may follow the verb.</param>
    /// <returns>The exit code of <see cref="RegistryCollector.Collect"/>.</returns>
    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static async Task<int> Run(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.AddKuikDefaults("image-fetcher");
        builder.AddKuikEventLog("image-fetcher");
        builder.Services.AddSingleton(GarbageCollectionOptions.From(builder.Configuration));
        builder.Services.AddSingleton<RegistryCollector>();
        await using var app = builder.Build();   // nothing of it is started
        using var stop = new CancellationTokenSource();
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        return await app.Services.GetRequiredService<RegistryCollector>().Collect(stop.Token);

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;   // the collector is ended first
            stop.Cancel();
        }
    }
}
