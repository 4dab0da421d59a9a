using System.Net.Http.Headers;
using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>A source whose misses are counted by reason.</summary>
internal sealed class MeteredSource(IPullSource source, ProxyMetrics metrics) : IPullSource
{
    public string Name => source.Name;

    public bool HasReplicas => source.HasReplicas;

    public async Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct) =>
        Note(await source.AskManifest(image, onlyHead, ct));

    public Task<Answer> AskTag(ImageReference image, CancellationToken ct) => source.AskTag(image, ct);

    public async Task<Answer> AskReferrers(ImageReference image, CancellationToken ct) => Note(await source.AskReferrers(image, ct));

    public async Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct) =>
        Note(await source.AskBlob(image, onlyHead, range, ct));

    /// <summary>The metric's label for the reason that a source or a broken body gives.</summary>
    public static string ReasonOf(string why) =>
        why.StartsWith("not cached", StringComparison.Ordinal) || why.StartsWith("evicted", StringComparison.Ordinal) ? "absent"
        : why.StartsWith("CORRUPT", StringComparison.Ordinal) || why.StartsWith("sent wrong", StringComparison.Ordinal) ? "corrupt"
        : why.StartsWith("passed over", StringComparison.Ordinal) ? "passed_over"
        : why.StartsWith("unreachable", StringComparison.Ordinal) ? "unreachable"
        : why.StartsWith("it refused node-proxy", StringComparison.Ordinal) ? "credentials"
        : why.StartsWith("it did not answer", StringComparison.Ordinal) ? "timeout"
        : why.StartsWith("it answered", StringComparison.Ordinal) ? "status"
        : why.StartsWith("the body", StringComparison.Ordinal) ? "broken_off"
        : "other";

    private Answer Note(Answer answer)
    {
        if (answer is Answer.Passed passed)
            metrics.Miss(source.Name, ReasonOf(passed.Why));
        else if (answer is Answer.Refused)
            metrics.Miss(source.Name, "refused");
        return answer;
    }
}
