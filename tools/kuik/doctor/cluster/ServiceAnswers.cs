namespace Kuik.CommandLine.Doctor;

/// <summary>The answers of a pod of one of Kuik's services, through the API server's proxy.</summary>
/// <param name="Pod">Its name.</param>
/// <param name="Component">For example <c>image-fetcher</c>.</param>
/// <param name="Readiness"><c>/readyz</c>: a first line, followed by one for each health check.</param>
/// <param name="Metrics"><c>/metrics</c>.</param>
internal sealed record ServiceAnswers(string Pod, string Component, Reading<string> Readiness, Reading<MetricSamples> Metrics);
