using System.Net.Http.Headers;

namespace Kuik.NodeProxy;

/// <summary>One download as the client sees it, over all the sources its bytes come from.</summary>
internal sealed class BlobTransfer : IDisposable
{
    private readonly DigestCheck? _check;
    private readonly long _first;
    private long _sent;

    /// <param name="digest">Of the whole blob.</param>
    /// <param name="begun">The first source's answer: it fixes which bytes the client was promised.</param>
    public BlobTransfer(string digest, Answer.Blob begun)
    {
        Length = begun.Length;
        _first = begun.Part?.From ?? 0;
        var isWhole = begun.Part is not { } part || (part.From == 0 && part.To + 1 == part.Length);
        _check = isWhole ? new DigestCheck(digest, begun.Checksum) : null;   // a part cannot be verified
    }

    /// <summary>Bytes promised; null when the source did not say.</summary>
    public long? Length { get; }

    /// <summary>Bytes that have come.</summary>
    public long Sent => _sent;

    /// <summary>Bytes that may still come; null when unknown.</summary>
    public long? Left => Length - _sent;

    /// <summary>Wrong bytes may have reached the client.</summary>
    public bool IsSpoilt { get; private set; }

    /// <summary>The part to ask the next source for; null when it is to begin anew.</summary>
    public RangeHeaderValue? Missing => Length is { } length ? new RangeHeaderValue(_first + _sent, _first + length - 1) : null;

    /// <summary>True for a response with exactly the missing range.</summary>
    public bool IsContinuedBy(Answer.Blob next) =>
        Length is not null && next.Length == Left
        && (next.Part is { } part ? part.From == _first + _sent : _first + _sent == 0);

    /// <summary>Counts and hashes bytes before they are passed on. False: with these the blob is complete and wrong, keep them
    /// back.</summary>
    public bool Take(ReadOnlySpan<byte> bytes)
    {
        _check?.Append(bytes);
        _sent += bytes.Length;
        return Left != 0 || IsRight();
    }

    /// <summary>At the end of a body of unknown length: is it the blob?</summary>
    public bool IsRight()
    {
        IsSpoilt = _check?.Matches() == false;
        return !IsSpoilt;
    }

    public void Dispose() => _check?.Dispose();
}
