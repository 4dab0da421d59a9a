using System.Net.Sockets;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Text for an exception that was not foreseen. Its message is left out, because many quote the value that could not be used (a header, a
/// line of JSON), which may be a credential. Only those that come from the operating system are told.
/// </summary>
public static class ExceptionSummary
{
    /// <summary>One phrase for a person: <c>FormatException</c>, <c>IOException: No space left on device</c>.</summary>
    public static string Of(Exception error) => string.Join(" < ", Chain(error).Select(Describe));

    /// <summary>The same, each with its stack: for the log.</summary>
    public static string WithStack(Exception error) =>
        string.Join("\n < ", Chain(error).Select(inner => $"{Describe(inner)}\n{inner.StackTrace}"));

    private static IEnumerable<Exception> Chain(Exception error)
    {
        for (var inner = error; inner is not null; inner = inner.InnerException)
            yield return inner;
    }

    private static string Describe(Exception error) =>
        error.GetType().Name + (error is IOException or SocketException or UnauthorizedAccessException ? $": {error.Message}" : "");
}
