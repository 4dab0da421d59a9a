using System.Globalization;

namespace Kuik.Bench;

/// <summary>The settings of a run, from the environment (README.md lists them), and its progress messages.</summary>
internal static class Setting
{
    /// <summary>CASE: part of a case's name; empty for all cases.</summary>
    public static string Wanted { get; } = Environment.GetEnvironmentVariable("CASE") ?? "";

    /// <summary>A whole number, or what it is when it is not set.</summary>
    public static int Number(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    /// <summary>A line about what is being done, to standard error: the results are what goes to standard output.</summary>
    public static void Say(string suite, string what) => Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {suite}: {what}");
}
