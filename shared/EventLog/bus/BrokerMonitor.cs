using System.Net.Sockets;
using MassTransit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kuik.EventLog;

/// <summary>
/// Logs once that the broker is unreachable, and once that it answers again: MassTransit, which reconnects by
/// itself, would log every attempt.
/// </summary>
internal sealed partial class BrokerMonitor(IBusControl bus, string address, TimeProvider time, ILogger<BrokerMonitor> logger)
    : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private bool _hasSaidSo;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            Look(bus.CheckHealth());
    }

    /// <summary>Checks the bus once.</summary>
    internal void Look(BusHealthResult health)
    {
        var isAway = health.Status != BusHealthStatus.Healthy;
        if (isAway && !_hasSaidSo)
            LogDoesNotAnswer(address, ReasonOf(health));
        if (!isAway && _hasSaidSo)
            LogAnswers(address);
        _hasSaidSo = isAway;
    }

    private static string ReasonOf(BusHealthResult health)
    {
        var fault = health.Exception ?? health.Endpoints.Values.Select(endpoint => endpoint.Exception).FirstOrDefault(e => e is not null);
        while (fault is { InnerException: { } inner } and not SocketException)
            fault = inner;
        return fault?.Message ?? health.Description;
    }

    [LoggerMessage(LogLevel.Warning,
        "RabbitMQ at {Address} does not answer ({Reason}); retrying every few seconds; events recorded meanwhile are published then")]
    private partial void LogDoesNotAnswer(string address, string reason);

    [LoggerMessage(LogLevel.Information, "RabbitMQ at {Address} answers")]
    private partial void LogAnswers(string address);
}
