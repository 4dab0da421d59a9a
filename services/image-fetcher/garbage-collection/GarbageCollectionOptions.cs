using Kuik.Hosting;

namespace Kuik.ImageFetcher.GarbageCollection;

/// <summary>The options of the cache registry's garbage collection.</summary>
/// <param name="Command"><c>Kuik:GarbageCollection:Command</c>: the registry's own collector as a program and its arguments, for example
/// <c>registry,garbage-collect,/etc/docker/registry/config.yml</c>. Required.</param>
/// <param name="Patience"><c>Kuik:GarbageCollection:Patience</c>: the longest wait for running copies, while new ones wait. Default 10
/// minutes, at most 6 hours.</param>
/// <param name="Limit"><c>Kuik:GarbageCollection:Limit</c>: the time limit of the collector, while copies wait. Then it is killed; freed
/// space stays freed. Default 1 hour, at most 1 day.</param>
internal sealed record GarbageCollectionOptions(IReadOnlyList<string> Command, TimeSpan Patience, TimeSpan Limit)
{
    /// <summary>Parses the options from the configuration.</summary>
    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static GarbageCollectionOptions From(IConfiguration configuration)
    {
        const string CommandKey = "Kuik:GarbageCollection:Command";
        var command = configuration.ReadList(CommandKey);
        return new GarbageCollectionOptions(
            command is [{ Length: > 0 }, ..] ? command : throw new InvalidSettingException(
                CommandKey, null,
                "the registry's collector and its arguments, such as registry,garbage-collect,/etc/docker/registry/config.yml"),
            Duration("Kuik:GarbageCollection:Patience", TimeSpan.FromMinutes(10), TimeSpan.FromHours(6)),
            Duration("Kuik:GarbageCollection:Limit", TimeSpan.FromHours(1), TimeSpan.FromDays(1)));

        TimeSpan Duration(string key, TimeSpan fallback, TimeSpan longest) => configuration.Read(
            key, fallback, $"a time such as 00:10:00, at most {longest:c}", t => t > TimeSpan.Zero && t <= longest);
    }
}
