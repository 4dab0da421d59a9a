using Kuik.ImageFetcher.CopyEngine;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class PeerConnectionHandlerTests
{
    [Fact]
    public async Task A_replica_that_takes_no_connection_is_one_that_cannot_be_connected_to()
    {
        using var silent = new FullListener();
        using var client = new HttpClient(new PeerConnectionHandler()) { Timeout = Timeout.InfiniteTimeSpan };

        var failure = await Assert.ThrowsAsync<HttpRequestException>(
            () => client.GetAsync(new Uri($"http://127.0.0.1:{silent.Port}/"), TestContext.Current.CancellationToken));

        Assert.Equal((HttpRequestError.ConnectionError, "no connection within 2 s"), (failure.HttpRequestError, failure.Message));
    }
}
