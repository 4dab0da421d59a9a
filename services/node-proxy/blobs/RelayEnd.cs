namespace Kuik.NodeProxy;

/// <summary>The outcome of relaying one source's body.</summary>
internal abstract record RelayEnd
{
    /// <summary>The client has the right bytes, all of them.</summary>
    public sealed record Complete : RelayEnd;

    /// <summary>The source broke off; the bytes that the client has so far are not known to be wrong.</summary>
    public sealed record Broken(string Why) : RelayEnd
    {
        public override string ToString() => Why;
    }

    /// <summary>All bytes came and they are not the blob; the last of them were kept back.</summary>
    public sealed record Corrupt : RelayEnd
    {
        public override string ToString() => "CORRUPT: its bytes are not those of the digest";
    }
}
