using System.Diagnostics;

namespace Kuik.Testing;

/// <summary>The result of a program.</summary>
/// <param name="ExitCode">0 for success.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Errors">Its standard error.</param>
public sealed record ToolResult(int ExitCode, string Output, string Errors);

/// <summary>Runs a program to its end.</summary>
public static class RunTool
{
    /// <summary>Runs it, and requires success.</summary>
    /// <returns>Its standard output.</returns>
    /// <exception cref="ServerFailedException">Its exit code was not 0.</exception>
    public static async Task<string> Run(string file, IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        var result = await Try(file, arguments, environment);
        return result.ExitCode == 0
            ? result.Output
            : throw new ServerFailedException(
                $"{file} {string.Join(' ', arguments)} ended with exit code {result.ExitCode}: {result.Errors.Trim()} "
                    + $"{result.Output.Trim()}");
    }

    /// <summary>Runs it, and returns failures too.</summary>
    /// <param name="file">A program, by path or found on the path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Added to this process's environment.</param>
    /// <param name="input">Its standard input; null for none.</param>
    public static async Task<ToolResult> Try(
        string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? input = null)
    {
        var start = new ProcessStartInfo(file, arguments)
        { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (key, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[key] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return new ToolResult(process.ExitCode, await output, await errors);
    }
}
