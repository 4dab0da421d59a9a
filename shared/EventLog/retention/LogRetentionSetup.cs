using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Kuik.EventLog;

/// <summary>Registers the removal of ended streams.</summary>
public static class LogRetentionSetup
{
    /// <summary>Adds it, if <c>Kuik:Log:RetainFor</c> is set. Call it with <see cref="EventLogSetup.AddKuikEventLog"/>, in one
    /// service.</summary>
    /// <exception cref="Hosting.InvalidSettingException">A setting is invalid.</exception>
    public static WebApplicationBuilder AddLogRetention(this WebApplicationBuilder builder)
    {
        var options = LogRetentionOptions.From(builder.Configuration);
        if (options.RetainFor is null)
            return builder;
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton<LogRetentionMetrics>();
        builder.Services.AddHostedService<LogRetentionService>();
        return builder;
    }
}
