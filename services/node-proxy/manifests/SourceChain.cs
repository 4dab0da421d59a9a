using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>The answer of the sources about a manifest.</summary>
/// <param name="Answer">A manifest or a refusal; null when the source of the last known answer is silent, so that that answer
/// stands.</param>
/// <param name="Source">The source, or <see cref="PullOutcome.NoSource"/>.</param>
/// <param name="Note">The difference from a plain answer; empty for none.</param>
internal sealed record SourceResult(Answer? Answer, string Source, string Note);

/// <summary>Asks the sources for a manifest, one after the other.</summary>
/// <param name="sources">In the order they are asked.</param>
internal sealed class SourceChain(IReadOnlyList<IPullSource> sources)
{
    /// <param name="image">By tag or digest.</param>
    /// <param name="onlyHead">The client asked with HEAD.</param>
    /// <param name="lastSource">
    /// The source of the known answer; null when there is none. When that source is silent, its answer stands and those behind it are left
    /// alone: all nodes would ask them at once. When it says that it has no such thing (any more), its answer is void.
    /// </param>
    /// <param name="ct">Cancelled when no request waits for it any more.</param>
    public async Task<SourceResult> Find(ImageReference image, bool onlyHead, string? lastSource, CancellationToken ct)
    {
        var passed = new PassedSources();
        foreach (var source in sources)
        {
            switch (await source.AskManifest(image, onlyHead, ct))
            {
                case Answer.ManifestAnswer manifest:
                    return new SourceResult(manifest, source.Name, passed.Note);
                case Answer.Refused { Status: 429 or >= 500 } when lastSource is not null:
                    return new SourceResult(null, source.Name, passed.NoteWith($"{source.Name} could not look"));
                case Answer.Refused refused:
                    return new SourceResult(passed.Explain(refused), source.Name, passed.NoteWith($"{source.Name} refused"));
                case Answer.Passed pass:
                    passed.Add(source.Name, pass);
                    if (source.Name != lastSource)
                        break;
                    if (pass.IsSilent)
                        return new SourceResult(null, source.Name, passed.Note);
                    lastSource = null;
                    break;
            }
        }
        return new SourceResult(passed.NoneLeft(image), PullOutcome.NoSource, passed.Note);
    }
}
