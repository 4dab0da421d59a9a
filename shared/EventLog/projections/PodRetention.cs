using Kuik.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>Archives the streams of pods and workloads some time after they are gone, in the replica that leads
/// (<see cref="Leadership"/>).</summary>
internal sealed class PodRetention(
    PodRetentionOptions options, NpgsqlDataSource postgres, Leadership leadership, EventLogReady ready, PostgresAvailability availability,
    TimeProvider time)
    : EventLogWorker("archive of pods", Interval, ready, availability, time)
{
    private const int BatchSize = 500;

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async Task RunPass(CancellationToken ct)
    {
        if (!leadership.IsHeld)
            return;
        await using var connection = await postgres.OpenConnectionAsync(ct);
        while (await PodArchive.Archive(connection, options.PodRetention, BatchSize, ct) >= BatchSize)
            continue;
    }
}

/// <summary>How long the streams of pods and workloads that are gone stay unarchived.</summary>
/// <param name="PodRetention">From the end of a pod or workload until its stream is archived. Default 24 hours; at least one
/// minute.</param>
internal sealed record PodRetentionOptions(TimeSpan PodRetention)
{
    /// <summary>Reads <c>Kuik:EventLog:PodRetention</c>.</summary>
    /// <exception cref="InvalidSettingException">The value is not a duration of at least one minute.</exception>
    public static PodRetentionOptions From(Microsoft.Extensions.Configuration.IConfiguration configuration) =>
        new(configuration.Read("Kuik:EventLog:PodRetention", TimeSpan.FromHours(24), "a time span of at least 1 minute, such as 1.00:00:00",
            age => age >= TimeSpan.FromMinutes(1) && age <= TimeSpan.FromDays(36500)));
}

/// <summary>Registers the archiving of streams.</summary>
public static class PodRetentionSetup
{
    /// <summary>Adds the archiving of pods' streams. Call it with <see cref="EventLogSetup.AddKuikEventLog"/>, in one service.</summary>
    /// <exception cref="InvalidSettingException">A setting cannot be used.</exception>
    public static WebApplicationBuilder AddPodRetention(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(PodRetentionOptions.From(builder.Configuration));
        builder.Services.AddHostedService<PodRetention>();
        return builder;
    }
}
