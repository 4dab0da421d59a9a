using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Microsoft.Extensions.Logging;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>Logs and counts pulls that failed with an unforeseen exception: each is a defect.</summary>
internal sealed partial class PullFailures(IMeterFactory meters, ILogger<PullFailures> logger)
{
    private readonly Counter<long> _failures = meters.Create("Kuik.ImageFetcher").CreateCounter<long>(
        "kuik_pull_through_failures", description: "Pulls that failed unexpectedly; the log has the causes");

    /// <param name="failure">The exception.</param>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="kind"><c>manifests</c> or <c>blobs</c>.</param>
    /// <param name="image">The requested image.</param>
    public void Record(Exception failure, string method, string kind, ImageReference image)
    {
        _failures.Add(1, new KeyValuePair<string, object?>("kind", kind));
        LogFailure(method, kind, image, ExceptionSummary.WithStack(failure));   // its message may quote a credential
    }

    [LoggerMessage(LogLevel.Error, "{Method} {Kind} {Image} failed unexpectedly: {Failure}")]
    private partial void LogFailure(string method, string kind, ImageReference image, string failure);
}
