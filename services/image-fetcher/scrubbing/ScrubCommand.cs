using Kuik.Hosting;

namespace Kuik.ImageFetcher.Scrubbing;

/// <summary>The command <c>scrub</c>, as a person or a Job with the registry's volume runs it.</summary>
internal static class ScrubCommand
{
    /// <summary>Runs it.</summary>
    /// <param name="args">The command line; settings may follow the verb.</param>
    /// <returns>The exit code of <see cref="RegistryScrubber.Scrub"/>.</returns>
    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static Task<int> Run(string[] args) => CommandHost.Run(
        args,
        builder => builder.Services.AddSingleton(ScrubOptions.From(builder.Configuration)).AddSingleton<RegistryScrubber>(),
        (services, ct) => services.GetRequiredService<RegistryScrubber>().Scrub(ct));
}
