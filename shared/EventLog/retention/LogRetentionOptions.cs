using Kuik.Hosting;
using Microsoft.Extensions.Configuration;

namespace Kuik.EventLog;

/// <summary>The policy by which ended streams leave the log: docs/decisions/0026-retention.md.</summary>
/// <param name="RetainFor"><c>Kuik:Log:RetainFor</c>: from the last event of an ended stream until the stream is removed. Null, the
/// default: nothing is removed. At least one day.</param>
/// <param name="ExportFirst"><c>Kuik:Log:ExportFirst</c>: only events whose export is confirmed are removed. Default false.</param>
/// <param name="IsChained"><c>Kuik:Log:HashChain</c>: only events in the hash chain are removed. Default false.</param>
internal sealed record LogRetentionOptions(TimeSpan? RetainFor, bool ExportFirst, bool IsChained)
{
    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static LogRetentionOptions From(IConfiguration configuration)
    {
        var retainFor = configuration.Read("Kuik:Log:RetainFor", TimeSpan.Zero, "a time span of at least one day, such as 90.00:00:00",
            age => age >= TimeSpan.FromDays(1) && age <= TimeSpan.FromDays(36500));
        return new LogRetentionOptions(retainFor == TimeSpan.Zero ? null : retainFor,
            configuration.Read("Kuik:Log:ExportFirst", false, "true or false"),
            HashChainSetup.IsOn(configuration));
    }
}
