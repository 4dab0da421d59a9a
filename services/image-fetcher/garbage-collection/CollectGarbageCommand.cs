using Kuik.Hosting;
using Kuik.ImageFetcher.Scrubbing;

namespace Kuik.ImageFetcher.GarbageCollection;

/// <summary>
/// The command <c>collect-garbage</c>, as a CronJob or a person runs it. In a container it has to be the first process, so that the
/// kernel ends the collector together with it: the lease ends with this process. With <c>Kuik:Scrub:Folder</c> set, the blobs that are left
/// are scrubbed then.
/// </summary>
internal static class CollectGarbageCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="args">The command line; settings may follow the verb.</param>
    /// <returns>The exit code of <see cref="RegistryCollector.Collect"/>; where that is 0, that of
    /// <see cref="RegistryScrubber.Scrub"/>. 0 where the folder shows that nothing was ever copied.</returns>
    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static Task<int> Run(string[] args) => CommandHost.Run(
        args,
        builder =>
        {
            builder.Services.AddSingleton(GarbageCollectionOptions.From(builder.Configuration)).AddSingleton<RegistryCollector>();
            if (ScrubOptions.IsSet(builder.Configuration))
                builder.Services.AddSingleton(ScrubOptions.From(builder.Configuration)).AddSingleton<RegistryScrubber>();
        },
        async (services, ct) =>
        {
            var collector = services.GetRequiredService<RegistryCollector>();
            if (services.GetService<ScrubOptions>() is { HasRepositories: false })
                return collector.SkipEmpty();
            var code = await collector.Collect(ct);
            var scrubber = services.GetService<RegistryScrubber>();
            var scrubbed = scrubber is null || ct.IsCancellationRequested ? 0 : await scrubber.Scrub(ct);
            return code != 0 ? code : scrubbed;
        });
}
