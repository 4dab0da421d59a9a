using Kuik.Contracts;
using Kuik.Expiry;
using Xunit;
using static Kuik.Tests.Expiry.Given;

namespace Kuik.Tests.Expiry;

public class ProposeExpiryTests
{
    private static readonly DateTimeOffset End = Noon + Delay;

    [Fact]
    public void An_image_unused_for_the_whole_delay_is_proposed()
    {
        var image = History([.. RequestedAndCached, Unused(Noon)]);

        Assert.Equal(new ExpiryProposed(Nginx, Noon, End), ProposeExpiry.Decide(image, Lease, End));
    }

    [Fact]
    public void A_moment_before_it_is_not()
    {
        var image = History([.. RequestedAndCached, Unused(Noon)]);

        Assert.Null(ProposeExpiry.Decide(image, Lease, End.AddTicks(-1)));
    }

    [Fact]
    public void Twice_It_is_proposed_again_only_when_there_was_no_answer_for_the_whole_lease()
    {
        var image = History([.. RequestedAndCached, Unused(Noon), new ExpiryProposed(Nginx, Noon, End)]);

        Assert.Null(ProposeExpiry.Decide(image, Lease, End + Lease - TimeSpan.FromTicks(1)));
        Assert.NotNull(ProposeExpiry.Decide(image, Lease, End + Lease));
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public void Too_late_What_was_used_retained_or_expired_meanwhile_is_not_proposed(object answer)
    {
        var image = History([.. RequestedAndCached, Unused(Noon), answer]);

        Assert.Null(ProposeExpiry.Decide(image, Lease, End + Lease));
    }

    [Fact]
    public void Out_of_order_A_proposal_that_comes_after_the_image_was_used_again_means_nothing()
    {
        var image = History([.. RequestedAndCached, Unused(Noon), new ImageUsedAgain(Nginx, "uid", End), new ExpiryProposed(Nginx, Noon, End), Unused(End)]);

        Assert.Null(image.ProposedAt);
        Assert.Null(ProposeExpiry.Decide(image, Lease, End));
    }

    public static TheoryData<object> Answers() =>
    [
        new ImageUsedAgain(Nginx, "uid", End),
        new ImageRetained(Nginx, End),
        new ImageExpired(Nginx, End),
        Requested(End),
    ];
}
