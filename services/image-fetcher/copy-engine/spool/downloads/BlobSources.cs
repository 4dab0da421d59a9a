namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>
/// The sources of one blob, in the order in which they are tried: each once in the order in which they were added; then again those that
/// were given up for being slow or for a break. A failed source is not tried again. Thread-safe.
/// </summary>
internal sealed class BlobSources
{
    private readonly Lock _gate = new();
    private readonly List<Candidate> _candidates = [];
    private bool _isEnded;

    /// <summary>Adds a source, unless its repository has one. False when the download has ended already.</summary>
    public bool TryAdd(BlobSource source)
    {
        lock (_gate)
        {
            if (!_isEnded && _candidates.All(candidate => candidate.Source.Repository != source.Repository))
                _candidates.Add(new Candidate(source));
            return !_isEnded;
        }
    }

    /// <summary>Adds a replica to be tried before every origin.</summary>
    public void AddFirst(BlobSource peer)
    {
        lock (_gate)
            _candidates.Insert(0, new Candidate(peer));
    }

    /// <summary>True while a source has not been tried yet.</summary>
    public bool HasUntried
    {
        get
        {
            lock (_gate)
                return _candidates.Exists(candidate => candidate is { Tries: 0, Failure: null });
        }
    }

    /// <summary>The source to try now; null when all have failed, after which none can be added.</summary>
    public Candidate? Next()
    {
        lock (_gate)
        {
            var left = _candidates.Where(candidate => candidate.Failure is null).ToList();
            var next = left.Find(candidate => candidate.IsPreferred) ?? left.MinBy(candidate => candidate.Tries);
            _isEnded |= next is null;
            if (next is not null)
                (next.Tries, next.IsPreferred) = (next.Tries + 1, false);
            return next;
        }
    }

    /// <summary>Ends the search for sources: the download is complete or was stopped.</summary>
    public void End()
    {
        lock (_gate)
            _isEnded = true;
    }

    /// <summary>The failure of a repository's own origin; that of the first one, if it is not known.</summary>
    public CopyException? FailureOf(string repository)
    {
        lock (_gate)
            return _candidates.Find(candidate => candidate.Source.Repository == repository)?.Failure
                ?? _candidates.Find(candidate => candidate is { Source.IsPeer: false, Failure: not null })?.Failure
                ?? _candidates.Find(candidate => candidate.Failure is not null)?.Failure;
    }

    /// <summary>A source and its results. Used by the download alone, except for <see cref="Failure"/>.</summary>
    internal sealed class Candidate(BlobSource source)
    {
        public BlobSource Source { get; } = source;

        /// <summary>True for the next source to try.</summary>
        public bool IsPreferred { get; set; }

        /// <summary>The number of times it was chosen.</summary>
        public int Tries { get; set; }

        /// <summary>Consecutive breaks with hardly any bytes in between.</summary>
        public int Breaks { get; set; }

        /// <summary>The reason why it is not tried again; null while it may be.</summary>
        public CopyException? Failure { get; set; }
    }
}
