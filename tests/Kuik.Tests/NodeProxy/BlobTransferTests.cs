using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class BlobTransferTests
{
    private static readonly byte[] Bytes = Encoding.UTF8.GetBytes("0123456789");
    private static readonly string Digest = DigestCheck.Compute(Bytes);

    [Fact]
    public void The_last_bytes_pass_only_when_all_together_are_the_blob()
    {
        using var right = new BlobTransfer(Digest, Answer(10));
        using var wrong = new BlobTransfer(Digest, Answer(10));

        Assert.Equal((true, true), (right.Take(Bytes.AsSpan(0, 6)), right.Take(Bytes.AsSpan(6))));
        Assert.Equal((true, false), (wrong.Take(Bytes.AsSpan(0, 6)), wrong.Take("xxxx"u8)));
        Assert.Equal((false, true), (right.IsSpoilt, wrong.IsSpoilt));
    }

    [Fact]
    public void What_is_missing_after_a_break_is_asked_of_the_next_source()
    {
        using var transfer = new BlobTransfer(Digest, Answer(10));

        transfer.Take(Bytes.AsSpan(0, 4));

        Assert.Equal("bytes=4-9", transfer.Missing?.ToString());
        Assert.True(transfer.IsContinuedBy(Answer(6, 4, 9)));
    }

    [Fact]
    public void A_part_is_continued_where_it_stopped()
    {
        using var transfer = new BlobTransfer(Digest, Answer(5, 3, 7));

        transfer.Take(Bytes.AsSpan(3, 2));

        Assert.Equal("bytes=5-7", transfer.Missing?.ToString());
        Assert.True(transfer.IsContinuedBy(Answer(3, 5, 7)));
    }

    [Fact]
    public void An_answer_that_is_not_exactly_what_is_missing_does_not_continue_it()
    {
        using var transfer = new BlobTransfer(Digest, Answer(10));
        transfer.Take(Bytes.AsSpan(0, 4));

        Assert.False(transfer.IsContinuedBy(Answer(10)));
        Assert.False(transfer.IsContinuedBy(Answer(6, 3, 8)));
        Assert.False(transfer.IsContinuedBy(Answer(5, 4, 8)));
    }

    [Fact]
    public void Before_the_first_byte_a_whole_blob_continues_it_too()
    {
        using var transfer = new BlobTransfer(Digest, Answer(10));

        Assert.True(transfer.IsContinuedBy(Answer(10)));
        Assert.True(transfer.IsContinuedBy(Answer(10, 0, 9)));
    }

    [Fact]
    public void A_part_that_is_the_whole_blob_is_verified()
    {
        using var transfer = new BlobTransfer(Digest, Answer(10, 0, 9));

        Assert.False(transfer.Take("xxxxxxxxxx"u8));
    }

    [Fact]
    public void An_empty_blob_is_complete_at_once()
    {
        using var transfer = new BlobTransfer(DigestCheck.Compute([]), Answer(0));

        Assert.True(transfer.Take([]));
        Assert.Equal(0, transfer.Left);
    }

    private static Answer.Blob Answer(long length, long? from = null, long? to = null)
    {
        var content = new ByteArrayContent([]);
        content.Headers.ContentLength = length;
        if (from is { } first)
            content.Headers.ContentRange = new ContentRangeHeaderValue(first, to!.Value, 10);
        return new Answer.Blob(new HttpResponseMessage(from is null ? HttpStatusCode.OK : HttpStatusCode.PartialContent)
        { Content = content });
    }
}
