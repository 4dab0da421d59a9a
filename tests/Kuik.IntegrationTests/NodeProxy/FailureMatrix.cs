namespace Kuik.IntegrationTests.NodeProxy.Matrix;

/// <summary>What a client asks for. A large blob is begun before all of it is there.</summary>
public enum Asked
{
    Manifest,
    SmallBlob,
    LargeBlob,
}

/// <summary>What a source does when it is asked.</summary>
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

/// <summary>How it ends for the client.</summary>
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
/// <param name="Cache">What the cache does.</param>
/// <param name="Fetcher">What image-fetcher does.</param>
/// <param name="Origin">What the origin does.</param>
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

    /// <summary>Is this an end that a client can live with, and the one it is owed?</summary>
    public bool Accepts(Ends ended) => ended is Ends.Rightly || (ended is Ends.Honestly && !HasToBeRight);
}
