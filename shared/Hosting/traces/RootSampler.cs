using System.Diagnostics;
using OpenTelemetry.Trace;

namespace Kuik.Hosting;

/// <summary>
/// Begins traces with requests and messages only. Otherwise each query of the many that look for work every second would be a trace of its
/// own: Npgsql and Marten have a span for it.
/// </summary>
internal sealed class RootSampler : Sampler
{
    /// <inheritdoc/>
    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters) =>
        new(samplingParameters.Kind is ActivityKind.Client or ActivityKind.Internal
            ? SamplingDecision.Drop
            : SamplingDecision.RecordAndSample);
}
