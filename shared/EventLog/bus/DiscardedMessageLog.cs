using System.Text.Json;
using MassTransit;
using Microsoft.Extensions.Logging;

namespace Kuik.EventLog;

/// <summary>
/// Logs in one line why a message is discarded after its retries. Its work is not lost: it is in the event log and in the
/// work table, and is announced again.
/// </summary>
internal sealed partial class DiscardedMessageLog(ILogger<DiscardedMessageLog> logger) : IFilter<ExceptionReceiveContext>
{
    /// <inheritdoc/>
    public Task Send(ExceptionReceiveContext context, IPipe<ExceptionReceiveContext> next)
    {
        var queue = context.InputAddress.AbsolutePath.Split('/')[^1];
        var subject = SubjectOf(context.Body);
        var fault = Cause(context.Exception);
        if (EventLogFault.MeansAway(fault))
            LogPostgres(queue, subject, EventLogFault.ReasonOf(fault));
        else
            LogFault(fault, queue, subject, fault.GetType().Name);
        return next.Send(context);
    }

    /// <inheritdoc/>
    public void Probe(ProbeContext context) => context.CreateFilterScope("discardedMessageLog");

    /// <summary>The message's image or pod, from MassTransit's envelope.</summary>
    private static string SubjectOf(MessageBody body)
    {
        try
        {
            using var envelope = JsonDocument.Parse(body.GetBytes());
            var message = envelope.RootElement.GetProperty("message");
            return message.TryGetProperty("image", out var image)
                ? image.GetString() ?? ""
                : message.GetProperty("podUid").GetString() ?? "";
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return "(a message that this version cannot read)";
        }
    }

    private static Exception Cause(Exception fault) => fault is MassTransitException { InnerException: { } inner } ? Cause(inner) : fault;

    [LoggerMessage(LogLevel.Warning,
        "A message of {Queue} about {Subject} is discarded, its work is announced again: Postgres fails ({Reason})")]
    private partial void LogPostgres(string queue, string subject, string reason);

    [LoggerMessage(LogLevel.Error, "A message of {Queue} about {Subject} is discarded, its work is announced again: {Fault}")]
    private partial void LogFault(Exception exception, string queue, string subject, string fault);
}
