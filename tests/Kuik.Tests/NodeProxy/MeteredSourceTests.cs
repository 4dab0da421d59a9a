using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class MeteredSourceTests
{
    [Theory]
    [InlineData("not cached", "absent")]
    [InlineData("evicted", "absent")]
    [InlineData("CORRUPT: its bytes are not those of the digest", "corrupt")]
    [InlineData("sent wrong bytes for this digest a while ago", "corrupt")]
    [InlineData("passed over: it did not answer a moment ago", "passed_over")]
    [InlineData("unreachable (ConnectionRefused)", "unreachable")]
    [InlineData("it did not answer within 10 s", "timeout")]
    [InlineData("it refused node-proxy's credentials", "credentials")]
    [InlineData("it answered 503", "status")]
    [InlineData("the body broke off (reset)", "broken_off")]
    [InlineData("the body was too short", "broken_off")]
    [InlineData("whatever a source says next year", "other")]
    public void A_miss_has_one_of_a_few_reasons(string why, string reason) => Assert.Equal(reason, MeteredSource.ReasonOf(why));
}
