using System.Runtime.InteropServices;
using Kuik.EventLog;
using Kuik.Hosting;

namespace Kuik.ImageFetcher;

/// <summary>Runs a command of this program that does its work once and ends: no server, no bus.</summary>
internal static class CommandHost
{
    /// <summary>Runs it with the event log and this service's logging. SIGTERM and SIGINT cancel the work, and with it the process
    /// ends.</summary>
    /// <param name="args">The command line; settings may follow the verb.</param>
    /// <param name="add">Adds what the command needs.</param>
    /// <param name="work">Gives the exit code.</param>
    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static async Task<int> Run(
        string[] args, Action<WebApplicationBuilder> add, Func<IServiceProvider, CancellationToken, Task<int>> work)
    {
        var builder = WebApplication.CreateBuilder(args);
        builder.AddKuikDefaults("image-fetcher");
        builder.AddKuikEventLog("image-fetcher");
        add(builder);
        await using var app = builder.Build();   // nothing of it is started
        using var stop = new CancellationTokenSource();
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        return await work(app.Services, stop.Token);

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;   // the work ends in order first
            stop.Cancel();
        }
    }
}
