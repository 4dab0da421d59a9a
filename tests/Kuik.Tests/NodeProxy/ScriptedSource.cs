using System.Net.Http.Headers;
using Kuik.Contracts;
using Kuik.NodeProxy;

namespace Kuik.Tests.NodeProxy;

/// <summary>A source of manifests that answers when and what a test says: a fake, because with a fake clock no real server can be waited
/// for.</summary>
internal sealed class ScriptedSource(string name) : IPullSource
{
    public string Name => name;

    /// <summary>Its answer from now on.</summary>
    public Func<CancellationToken, Task<Answer>> Script { get; set; } = _ => Task.FromResult<Answer>(new Answer.Passed("not here"));

    /// <summary>Its answer to a request for referrers.</summary>
    public Answer Referrers { get; init; } = new Answer.Passed("cannot say");

    /// <summary>The requests so far.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>It answers this from now on.</summary>
    public void Says(Answer answer) => Script = _ => Task.FromResult(answer);

    public Task<Answer> AskManifest(ImageReference image, bool onlyHead, CancellationToken ct)
    {
        lock (Asked)
            Asked.Add($"{(onlyHead ? "HEAD" : "GET")} {image}");
        return Script(ct);
    }

    public Task<Answer> AskReferrers(ImageReference image, CancellationToken ct) => Task.FromResult(Referrers);

    public Task<Answer> AskBlob(ImageReference image, bool onlyHead, RangeHeaderValue? range, CancellationToken ct) =>
        throw new NotSupportedException();
}
