using Kuik.Hosting;

namespace Kuik.Expiry.Audit;

/// <summary>The options of the audit API.</summary>
/// <param name="IsServed"><c>Kuik:Audit:Api</c>: true to serve it; the Kubernetes API is needed then. Default false.</param>
public sealed record AuditOptions(bool IsServed)
{
    /// <exception cref="InvalidSettingException">The value is invalid.</exception>
    public static AuditOptions From(IConfiguration configuration) =>
        new(configuration.Read("Kuik:Audit:Api", false, "true or false"));
}
