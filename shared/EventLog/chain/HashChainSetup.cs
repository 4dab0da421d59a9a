using Kuik.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Kuik.EventLog;

/// <summary>Registers the hash chain.</summary>
public static class HashChainSetup
{
    /// <summary>Adds it, if <c>Kuik:Log:HashChain</c> is true. Call it with <see cref="EventLogSetup.AddKuikEventLog"/>, in one
    /// service.</summary>
    /// <exception cref="InvalidSettingException">The value is neither true nor false.</exception>
    public static WebApplicationBuilder AddHashChain(this WebApplicationBuilder builder)
    {
        if (!IsOn(builder.Configuration))
            return builder;
        builder.Services.AddSingleton<HashChainMetrics>();
        builder.Services.AddHostedService<HashChainService>();
        return builder;
    }

    /// <summary>The value of <c>Kuik:Log:HashChain</c>. Default false.</summary>
    internal static bool IsOn(IConfiguration configuration) => configuration.Read("Kuik:Log:HashChain", false, "true or false");
}
