using System.Net.Http.Headers;
using System.Text;
using Kuik.Oci;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Oci;

/// <summary>Answers with a part of a blob: a part is never taken for the whole, nor another part for the one that was asked for.</summary>
public sealed class PartsOfBlobsTests : IAsyncLifetime
{
    private static readonly byte[] Bytes = Encoding.ASCII.GetBytes("0123456789");

    private ScriptedOrigin origin = null!;
    private RegistryClient client = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        origin = await ScriptedOrigin.Start();
        client = new RegistryClient(new RegistryEndpoints([$"http://{origin.Host}"]), [], TimeProvider.System);
    }

    public ValueTask DisposeAsync()
    {
        client.Dispose();
        return origin.DisposeAsync();
    }

    [Theory]
    [InlineData(null, "bytes 0-9/10", 0)]
    [InlineData(null, "bytes 0-4/10", 0)]
    [InlineData("bytes=5-", "bytes 5-9/10", 5)]
    [InlineData("bytes=5-", "bytes 5-9/*", 5)]
    [InlineData("bytes=5-", "bytes 5-6/10", 5)]
    [InlineData("bytes=5-7", "bytes 5-7/10", 5)]
    [InlineData("bytes=-3", "bytes 7-9/10", 7)]
    [InlineData("bytes=-30", "bytes 0-9/10", 0)]
    public async Task A_part_that_begins_where_it_should_is_given_on_with_what_it_is(string? asked, string came, int from)
    {
        Answer(came);

        await using var blob = await Open(asked);

        Assert.Equal(came, blob.Range?.ToString());
        using var body = new MemoryStream();
        await blob.Body.CopyToAsync(body, Stop);
        Assert.Equal(Bytes[from..(from + (int)body.Length)], body.ToArray());
    }

    [Theory]
    [InlineData(null, "bytes 5-9/10", "the part bytes 5-9/10 came, which does not begin at 0")]
    [InlineData("bytes=5-", "bytes 0-9/10", "the part bytes 0-9/10 came, which does not begin at 5")]
    [InlineData("bytes=5-", "bytes 6-9/10", "the part bytes 6-9/10 came, which does not begin at 5")]
    [InlineData("bytes=-3", "bytes 5-9/10", "the part bytes 5-9/10 came, which does not begin at 7")]
    [InlineData("bytes=5-", "items 5-9/10", "a part came, and not which (no Content-Range)")]
    [InlineData("bytes=5-", null, "a part came, and not which (no Content-Range)")]
    [InlineData(null, null, "a part came, and not which (no Content-Range)")]
    public async Task Any_other_part_is_an_error_that_may_pass(string? asked, string? came, string problem)
    {
        Answer(came);

        var error = await Assert.ThrowsAsync<RegistryException>(() => Open(asked));

        Assert.Equal((RegistryErrorKind.Broken, true), (error.Kind, error.IsTransient));
        Assert.EndsWith(problem, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("bytes=0-1,5-6")]
    public async Task Several_parts_in_one_body_are_not_the_blob(string? asked)
    {
        origin.Script = _ => Misbehave.Say(206, "--X\r\n...\r\n--X--", "multipart/byteranges; boundary=X");

        var error = await Assert.ThrowsAsync<RegistryException>(() => Open(asked));

        Assert.EndsWith("several parts came where one was asked for", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_part_whose_length_is_another_than_its_range_is_an_error()
    {
        origin.Script = _ => async (http, _) =>
        {
            http.Response.StatusCode = 206;
            http.Response.Headers.ContentRange = "bytes 5-9/10";
            http.Response.ContentLength = 2;
            await http.Response.Body.WriteAsync(Bytes.AsMemory(5, 2));
        };

        var error = await Assert.ThrowsAsync<RegistryException>(() => Open("bytes=5-"));

        Assert.EndsWith("the part bytes 5-9/10 came with a length of 2", error.Message, StringComparison.Ordinal);
    }

    private Task<BlobBody> Open(string? range) => client.OpenBlob(
        new RegistryRepository(origin.Host, "a/b"), Digest.Sha256(Bytes), range is null ? null : RangeHeaderValue.Parse(range), null, Stop);

    private void Answer(string? contentRange) => origin.Script = _ => async (http, _) =>
    {
        http.Response.StatusCode = 206;
        var part = contentRange is null ? null : ContentRangeHeaderValue.Parse(contentRange);
        if (contentRange is not null)
            http.Response.Headers.ContentRange = contentRange;
        await http.Response.Body.WriteAsync(part is { From: { } from, To: { } to } ? Bytes[(int)from..(int)(to + 1)] : Bytes);
    };
}
