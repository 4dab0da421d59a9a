using System.Net.Sockets;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// Text for an unexpected exception. Messages are left out because many of them quote the invalid value (a header, a line of JSON), which
/// may be a credential; only messages of the operating system are included.
/// </summary>
public static class ExceptionSummary
{
    /// <summary>One phrase for users: <c>FormatException</c>, <c>IOException: No space left on device</c>.</summary>
    public static string Of(Exception error) => string.Join(" < ", Chain(error).Select(Describe));

    /// <summary>The same with stack traces, for the log.</summary>
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
