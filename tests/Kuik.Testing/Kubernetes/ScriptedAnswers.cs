using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Kuik.Testing;

/// <summary>A response of a <see cref="ScriptedKubernetes"/> instead of, or around, the correct one.</summary>
/// <param name="http">The request and its response.</param>
/// <param name="answer">Sends the response of a real server.</param>
public delegate Task ScriptedAnswer(HttpContext http, Func<Task> answer);

/// <summary>Answers for <see cref="ScriptedKubernetes.Script"/>.</summary>
public static class ScriptedAnswers
{
    /// <summary>An error status, with a <c>Status</c> body. Nothing is written.</summary>
    /// <param name="status">HTTP's.</param>
    /// <param name="reason">The API's reason: <c>Forbidden</c>, <c>TooManyRequests</c>.</param>
    /// <param name="message">For users; null for the reason.</param>
    /// <param name="retryAfter">The header, in whole seconds; null for none.</param>
    public static ScriptedAnswer Refuse(int status, string reason, string? message = null, TimeSpan? retryAfter = null) => (http, _) =>
    {
        if (retryAfter is { } wait)
            http.Response.Headers.RetryAfter = ((int)wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        return ObjectReader.SendStatus(http, status, reason, message ?? reason, retryAfter);
    };

    /// <summary>A status with a body of its own: the response of a proxy in front of the API.</summary>
    public static ScriptedAnswer Say(int status, string body, string mediaType = "text/html") => async (http, _) =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = mediaType;
        await http.Response.WriteAsync(body);
    };

    /// <summary>No byte until a gate opens, then the correct response. The request takes effect only then.</summary>
    public static ScriptedAnswer StallInHeaders(Task until) => async (http, answer) =>
    {
        await until.WaitAsync(http.RequestAborted);
        await answer();
    };

    /// <summary>Part of the correct response, and the rest when a gate opens. Also in a watch.</summary>
    public static ScriptedAnswer StallAfter(int bytes, Task until) => async (http, answer) =>
    {
        http.Response.Body = new InterruptedStream(http.Response.Body, bytes, () => until.WaitAsync(http.RequestAborted));
        await answer();
    };

    /// <summary>Part of the correct response, then the connection is reset. A write has taken effect.</summary>
    public static ScriptedAnswer BreakOffAfter(int bytes) => async (http, answer) =>
    {
        http.Response.Body = new InterruptedStream(http.Response.Body, bytes, () =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        await answer();
    };

    /// <summary>The correct response, delayed.</summary>
    public static ScriptedAnswer Slow(TimeSpan by) => async (http, answer) =>
    {
        await Task.Delay(by, http.RequestAborted);
        await answer();
    };

    /// <summary>The connection is reset without an answer. Nothing is written.</summary>
    public static ScriptedAnswer Reset() => (http, _) =>
    {
        http.Abort();
        return Task.CompletedTask;
    };

    /// <summary>A watch with an expired version: 200, and an ERROR line with 410.</summary>
    public static ScriptedAnswer ExpireWatch() => (http, _) => ObjectReader.SendExpired(http);

    /// <summary>A watch that ends at once, without a line.</summary>
    public static ScriptedAnswer EndWatch() => (http, _) =>
    {
        http.Response.ContentType = "application/json";
        return http.Response.Body.FlushAsync();
    };
}

/// <summary>A body that pauses at a byte for an interruption.</summary>
internal sealed class InterruptedStream(Stream body, int after, Func<Task> interruption) : WriteOnlyStream(body)
{
    private int _left = after;
    private bool _isOver;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var first = Math.Min(_left, buffer.Length);
        await Body.WriteAsync(buffer[..first], cancellationToken);
        _left -= first;
        if (first == buffer.Length)
            return;
        if (!_isOver)
        {
            _isOver = true;
            await Body.FlushAsync(cancellationToken);
            await interruption();
        }
        await Body.WriteAsync(buffer[first..], cancellationToken);
    }
}
