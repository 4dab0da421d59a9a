namespace Kuik.IntegrationTests.NodeProxy.Matrix;

/// <summary>The request of a client. A large blob is begun before all of it has arrived.</summary>
public enum Asked
{
    Manifest,
    SmallBlob,
    LargeBlob,
}

/// <summary>The behaviour of a source.</summary>
public enum Does
{
    Send,
    SendSlowly,
    HaveNot,
    Fail,
    Refuse,
    HangBeforeHead,
    HangAfterHead,
    ResetBeforeHead,
    ResetAtTheStart,
    ResetInTheMiddle,
    ResetAtTheLastByte,
    EndEarly,
    EndEarlyWithoutLength,
    SendWrongBytes,
}

/// <summary>The result for the client.</summary>
public enum Ends
{
    /// <summary>With the right bytes and a clean end.</summary>
    Rightly,

    /// <summary>With an error, or a broken connection.</summary>
    Honestly,

    /// <summary>With a clean end of something else.</summary>
    Wrongly,
}

/// <summary>One case of the matrix.</summary>
/// <param name="Asked">For what.</param>
/// <param name="Cache">The cache's behaviour.</param>
/// <param name="Fetcher">image-fetcher's behaviour.</param>
/// <param name="Origin">The origin's behaviour.</param>
public sealed record Cell(Asked Asked, Does Cache, Does Fetcher, Does Origin)
{
    /// <summary>
    /// True when a source with the right bytes is asked before the pull has to end otherwise. Sources are asked in order, and a body that
    /// one breaks off is continued by the next. The pull ends when image-fetcher or the origin refuses, or when wrong bytes have reached
    /// the client: of a large blob, and of one without a stated length, that is known only at its end. Once it has begun its length is
    /// known, and a body that ends early is one that broke off; a reset may come before it is seen that it has begun.
    /// </summary>
    public bool HasToBeRight
    {
        get
        {
            var isBegun = false;
            foreach (var (source, isFinal) in new[] { (Cache, false), (Fetcher, true), (Origin, true) })
            {
                if (source is Does.Send or Does.SendSlowly)
                    return true;
                if (source is Does.HaveNot && isFinal)
                    return false;
                if (Asked != Asked.Manifest && source is Does.EndEarlyWithoutLength && !isBegun)
                    return false;
                if (Asked == Asked.LargeBlob && (source is Does.SendWrongBytes || (source is Does.EndEarly && !isBegun)))
                    return false;
                isBegun |= Asked == Asked.LargeBlob && source is Does.HangAfterHead;
            }
            return false;
        }
    }

    /// <summary>True for an acceptable result, which is also the best possible one.</summary>
    public bool Accepts(Ends ended) => ended is Ends.Rightly || (ended is Ends.Honestly && !HasToBeRight);
}
