namespace Kuik.CommandLine.Output;

/// <summary>Colours of standard output: only on a terminal, and not where <c>NO_COLOR</c> is set.</summary>
internal static class Terminal
{
    /// <summary>True when standard output shows colours.</summary>
    public static bool HasColours { get; } = !Console.IsOutputRedirected
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb";

    /// <summary>Shows progress on standard error, if that is a terminal.</summary>
    public static void ShowProgress(string step)
    {
        if (!Console.IsErrorRedirected)
            Console.Error.WriteLine(step);
    }
}
