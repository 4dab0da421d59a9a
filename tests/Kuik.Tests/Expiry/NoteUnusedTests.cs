using Kuik.Contracts;
using Kuik.Expiry;
using Xunit;
using static Kuik.Tests.Expiry.Given;

namespace Kuik.Tests.Expiry;

public class NoteUnusedTests
{
    [Fact]
    public void A_cached_image_without_users_is_unused_from_now_on()
    {
        var image = History(RequestedAndCached);

        var unused = NoteUnused.Decide(image, isUsed: false, Delay, now: Noon.AddHours(1));

        Assert.Equal(new ImageUnused(Nginx, Noon.AddHours(1), Noon.AddHours(1) + Delay), unused);
    }

    [Fact]
    public void An_image_that_a_pod_uses_is_not_unused()
    {
        var image = History(RequestedAndCached);

        Assert.Null(NoteUnused.Decide(image, isUsed: true, Delay, Noon));
    }

    [Fact]
    public void Twice_Unused_is_noted_once()
    {
        var image = History([.. RequestedAndCached, Unused(Noon)]);

        Assert.Null(NoteUnused.Decide(image, isUsed: false, Delay, Noon.AddDays(1)));
    }

    [Fact]
    public void An_image_made_by_hand_is_unused_like_any_other()
    {
        var image = History(new RequestedByPerson(Nginx, "nginx:1.27", "docker.io-library-nginx-1.27", Noon), Cached(Noon));

        Assert.NotNull(NoteUnused.Decide(image, isUsed: false, Delay, Noon));
    }

    [Fact]
    public void An_image_that_is_still_wanted_or_has_failed_is_unused_too_when_its_pods_are_gone()
    {
        Assert.NotNull(NoteUnused.Decide(History(Requested(Noon)), isUsed: false, Delay, Noon));
        Assert.NotNull(NoteUnused.Decide(History(Requested(Noon), Failed(Noon, Noon.AddHours(1))), isUsed: false, Delay, Noon));
    }

    [Fact]
    public void A_retained_image_is_never_unused_and_a_released_one_counts_from_its_release()
    {
        var retained = History([.. RequestedAndCached, Unused(Noon), new ImageRetained(Nginx, Noon)]);
        var released = ImageState.Fold(retained, new ImageReleased(Nginx, Noon.AddDays(40)));

        Assert.Null(NoteUnused.Decide(retained, isUsed: false, Delay, Noon.AddDays(40)));
        Assert.Equal(Noon.AddDays(40), NoteUnused.Decide(released, isUsed: false, Delay, Noon.AddDays(40))?.Since);
    }

    [Fact]
    public void An_image_that_was_used_again_counts_anew()
    {
        var image = History([.. RequestedAndCached, Unused(Noon), new ImageUsedAgain(Nginx, "uid", Noon.AddDays(29))]);

        Assert.Equal(Noon.AddDays(29), NoteUnused.Decide(image, isUsed: false, Delay, Noon.AddDays(29))?.Since);
    }

    [Fact]
    public void A_pull_or_a_request_of_an_unused_image_makes_it_count_anew()
    {
        var image = History([.. RequestedAndCached, Unused(Noon), new RequestedByPull(Nginx, Noon.AddDays(10))]);

        Assert.Equal(Noon.AddDays(10), NoteUnused.Decide(image, isUsed: false, Delay, Noon.AddDays(10))?.Since);
    }

    [Fact]
    public void Too_late_An_image_that_has_expired_or_was_never_asked_for_is_not_unused()
    {
        var expired = History([.. RequestedAndCached, Unused(Noon), new ImageExpired(Nginx, Noon)]);

        Assert.Null(NoteUnused.Decide(expired, isUsed: false, Delay, Noon));
        Assert.Null(NoteUnused.Decide(ImageState.Fold(expired, new ImageEvicted(Nginx, Noon)), isUsed: false, Delay, Noon));
        Assert.Null(NoteUnused.Decide(ImageState.Initial, isUsed: false, Delay, Noon));
    }

    [Fact]
    public void Out_of_order_A_copy_that_ends_after_the_eviction_changes_nothing()
    {
        var image = History([.. RequestedAndCached, Unused(Noon), new ImageExpired(Nginx, Noon), new ImageEvicted(Nginx, Noon),
            Cached(Noon.AddMinutes(1))]);

        Assert.Equal(ImagePhase.Gone, image.Phase);
        Assert.Null(NoteUnused.Decide(image, isUsed: false, Delay, Noon.AddMinutes(2)));
    }
}
