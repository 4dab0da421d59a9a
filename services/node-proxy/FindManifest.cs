using Kuik.Contracts;

namespace Kuik.NodeProxy;

/// <summary>What the sources say about a manifest.</summary>
/// <param name="Answer">A manifest or a refusal; null: who gave the last known answer says nothing, so that one stands.</param>
/// <param name="Source">Who said it, or <see cref="PullOutcome.NoSource"/>.</param>
/// <param name="Note">What went otherwise than in a plain answer; empty when nothing did.</param>
internal sealed record Finding(Answer? Answer, string Source, string Note);

/// <summary>Asks the sources for a manifest, one after the other.</summary>
/// <param name="sources">In the order they are asked.</param>
internal sealed class FindManifest(IReadOnlyList<IPullSource> sources)
{
    /// <param name="image">By tag or digest.</param>
    /// <param name="onlyHead">The client asked with HEAD.</param>
    /// <param name="lastSource">
    /// Who gave the answer that is known already; null when none is. When that one is silent, its answer stands and those behind it are left alone: all
    /// nodes would ask them at once. When it says that it has no such thing (any more), its answer is void.
    /// </param>
    /// <param name="stop">Nobody waits for it any more.</param>
    public async Task<Finding> Run(ImageReference image, bool onlyHead, string? lastSource, CancellationToken stop)
    {
        var passed = new PassedSources();
        foreach (var source in sources)
        {
            switch (await source.AskManifest(image, onlyHead, stop))
            {
                case Answer.Manifest manifest:
                    return new Finding(manifest, source.Name, passed.Note);
                case Answer.Refused { Status: 429 or >= 500 } when lastSource is not null:
                    return new Finding(null, source.Name, passed.NoteWith($"{source.Name} could not look"));
                case Answer.Refused refused:
                    return new Finding(passed.Explain(refused), source.Name, passed.NoteWith($"{source.Name} refused"));
                case Answer.Passed pass:
                    passed.Add(source.Name, pass);
                    if (source.Name != lastSource)
                        break;
                    if (pass.IsSilent)
                        return new Finding(null, source.Name, passed.Note);
                    lastSource = null;
                    break;
            }
        }
        return new Finding(passed.NoneLeft(image), PullOutcome.NoSource, passed.Note);
    }
}
