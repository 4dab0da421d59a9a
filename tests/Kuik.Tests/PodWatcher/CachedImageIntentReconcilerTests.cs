using Kuik.Contracts;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class CachedImageIntentReconcilerTests
{
    private const string Nginx = "docker.io/library/nginx:1.27";
    private const string Name = "docker.io-library-nginx-1.27";
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", "u", Noon);
    private static readonly ImageNamed Named = new(Nginx, Name, Noon);
    private static readonly RequestedByPerson ByPerson = new(Nginx, "nginx:1.27", Name, Noon) { FieldManager = "kubectl-create" };

    private static readonly ImageExpirySet ExpirySet = new(Nginx, Noon.AddDays(2), Noon)
    { FieldManager = "kubectl-patch", ObjectUid = "u" };

    [Fact]
    public void A_resource_made_by_hand_requests_its_image() => Assert.Equal([ByPerson], Decide(New()));

    [Fact]
    public void A_resource_made_by_hand_to_be_retained_requests_and_retains() =>
        Assert.Equal([ByPerson, new ImageRetained(Nginx, Noon)], Decide(New(retain: true)));

    [Fact]
    public void A_resource_for_an_image_that_is_wanted_asks_for_nothing_more() => Assert.Empty(Decide(New(), Requested, Named));

    [Fact]
    public void A_resource_of_v1_for_an_image_that_the_log_never_had_requests_it() =>
        Assert.Equal([ByPerson with { FieldManager = null }], Decide(Ours()));

    [Fact]
    public void The_resource_of_an_expired_image_on_its_way_out_asks_for_nothing() =>
        Assert.Empty(Decide(Ours(), Requested, Named, new ImageExpired(Nginx, Noon)));

    [Fact]
    public void A_resource_made_by_hand_after_the_image_expired_requests_it_again() =>
        Assert.Equal([ByPerson], Decide(New(), Requested, Named, new ImageExpired(Nginx, Noon), new ImageEvicted(Nginx, Noon)));

    [Fact]
    public void Retaining_an_image_on_its_way_out_requests_it_again() =>
        Assert.Equal([ByPerson with { FieldManager = null }, new ImageRetained(Nginx, Noon)],
            Decide(Ours(retain: true), Requested, Named, new ImageExpired(Nginx, Noon)));

    [Fact]
    public void Setting_retain_retains_once()
    {
        Assert.Equal([new ImageRetained(Nginx, Noon)], Decide(Ours(retain: true), Requested, Named));
        Assert.Empty(Decide(Ours(retain: true), Requested, Named, new ImageRetained(Nginx, Noon)));
    }

    [Fact]
    public void Taking_retain_back_releases_once()
    {
        Assert.Equal([new ImageReleased(Nginx, Noon)], Decide(Ours(), Requested, Named, new ImageRetained(Nginx, Noon)));
        Assert.Empty(Decide(Ours(), Requested, Named, new ImageRetained(Nginx, Noon), new ImageReleased(Nginx, Noon)));
    }

    [Fact]
    public void A_resource_under_another_name_does_not_release_the_image() =>
        Assert.Empty(Decide(New() with { Metadata = new ObjectMeta { Name = "mine" } }, Requested, Named, new ImageRetained(Nginx, Noon)));

    [Fact]
    public void A_deletion_withdraws_the_request_and_decides_nothing_about_the_image() =>
        Assert.Equal(new ImageForgotten(Nginx, Noon) { FieldManager = "kubectl-create" }, Deleted(New(), ByPerson, Named));

    [Fact]
    public void A_deletion_seen_twice_is_recorded_once() => Assert.Null(Deleted(New(), ByPerson, Named, new ImageForgotten(Nginx, Noon)));

    [Fact]
    public void The_resource_of_a_retained_image_is_forgotten_and_the_image_stays_retained()
    {
        object[] retained = [ByPerson, Named, new ImageRetained(Nginx, Noon)];

        Assert.True(Fold([.. retained, Deleted(New(retain: true), retained)!]) is { IsRetained: true, CanExpire: false });
    }

    [Fact]
    public void A_retained_image_that_is_released_and_deleted_at_once_is_released()
    {
        var (retained, before) = (Fold([ByPerson, Named, new ImageRetained(Nginx, Noon)]), ImageIntent.From(New(retain: true), null));

        Assert.Equal(new ImageReleased(Nginx, Noon), before.DecideReleased(retained, New(retain: false), Noon));
        Assert.Null(before.DecideReleased(retained, New(retain: true), Noon));                            // still retained
        Assert.Null(ImageIntent.From(New(), null).DecideReleased(retained, New(), Noon));                 // never said by this one
        Assert.Null(before.DecideReleased(Fold([ByPerson, Named]), New(), Noon));                         // released before
    }

    [Fact]
    public void A_deletion_of_an_expired_images_resource_comes_too_late() =>
        Assert.Null(Deleted(Ours(), Requested, Named, new ImageExpired(Nginx, Noon), new ImageEvicted(Nginx, Noon)));

    [Fact]
    public void A_deletion_under_another_name_forgets_nothing() =>
        Assert.Null(Deleted(New() with { Metadata = new ObjectMeta { Name = "mine" } }, Requested, Named));

    [Fact]
    public void A_resource_that_kuik_wrote_is_no_request_of_a_person_though_it_has_no_status_yet() =>
        Assert.Empty(Decide(Ours() with { Status = null }, ByPerson, Named, new ImageForgotten(Nginx, Noon),
            new ImageExpired(Nginx, Noon)));

    [Fact]
    public void A_resource_that_a_person_made_another_images_requests_that_image() =>
        Assert.IsType<RequestedByPerson>(Assert.Single(Decide(
            Ours() with { Metadata = new ObjectMeta { Name = "other" } }, Requested, Named, new ImageExpired(Nginx, Noon))));

    [Fact]
    public void A_resource_made_by_hand_with_a_time_to_expire_requests_and_sets_it() =>
        Assert.Equal([ByPerson, ExpirySet], Decide(WithExpiry(New())));

    [Fact]
    public void Setting_a_time_to_expire_is_recorded_once()
    {
        Assert.Equal([ExpirySet], Decide(WithExpiry(Ours()), Requested, Named));
        Assert.Empty(Decide(WithExpiry(Ours()), Requested, Named, ExpirySet));
    }

    [Fact]
    public void A_time_that_kuik_has_calculated_is_no_wish() =>
        Assert.Empty(Decide(WithExpiry(Ours(), manager: null), Requested, Named));

    [Fact]
    public void Removing_a_time_to_expire_is_recorded_once()
    {
        var before = ImageIntent.From(WithExpiry(Ours()), null);

        Assert.Equal([new ImageExpiryRemoved(Nginx, Noon)], Decide(Ours(), before: before, given: [Requested, Named, ExpirySet]));
        Assert.Empty(Decide(Ours(), before: before, given: [Requested, Named, ExpirySet, new ImageExpiryRemoved(Nginx, Noon)]));
    }

    [Fact]
    public void A_time_that_was_removed_while_no_pod_watcher_led_is_told_from_one_that_kuik_has_not_written_yet()
    {
        object[] log = [Requested, Named, ExpirySet];

        Assert.Equal([new ImageExpiryRemoved(Nginx, Noon)], Decide(Ours(), before: null, given: log));
        Assert.Empty(Decide(Ours(), before: null, given: [.. log, new ImageExpiryRemoved(Nginx, Noon)]));
        Assert.Empty(Decide(Ours() with { Metadata = new ObjectMeta { Name = Name, Uid = "other" } }, before: null, given: log));
        Assert.Empty(Decide(Ours(), before: null, given: [Requested, Named, ExpirySet with { ObjectUid = null }]));
        Assert.Empty(Decide(WithExpiry(Ours(), manager: null), before: null, given: log));
    }

    [Fact]
    public void A_removed_time_is_not_written_back_before_its_removal_is_recorded()
    {
        Assert.True(ImageIntent.IsExpiryRemoved(Ours(), Fold([Requested, Named, ExpirySet])));
        Assert.False(ImageIntent.IsExpiryRemoved(Ours(), Fold([Requested, Named, ExpirySet, new ImageExpiryRemoved(Nginx, Noon)])));
        Assert.False(ImageIntent.IsExpiryRemoved(Ours(), Fold([Requested, Named, ExpirySet, new ImageUsedAgain(Nginx, "pod", Noon)])));
        Assert.False(ImageIntent.IsExpiryRemoved(WithExpiry(Ours()), Fold([Requested, Named, ExpirySet])));
    }

    [Fact]
    public void The_annotation_asks_for_a_comparison_also_while_the_image_is_copied()
    {
        var asks = new RefreshRequested(Nginx, Noon);

        Assert.Equal([asks], Decide(Annotated(), Requested, Named));
        Assert.Equal([asks], Decide(Annotated(), Requested, Named, new ImageFetchStarted(Nginx, "a", Noon, Noon) { Attempt = 1 }));
    }

    [Fact]
    public void An_annotation_is_recorded_once_and_again_when_it_is_set_again()
    {
        var (annotations, first) = (new RefreshAnnotations(), Annotated("1"));

        Assert.True(annotations.IsNew(first) && annotations.IsOpen(first));
        annotations.Record(first);
        Assert.False(annotations.IsNew(first) || annotations.IsNew(Annotated("2")));        // its removal failed
        Assert.True(annotations.IsOpen(first) && annotations.IsOpen(Annotated("2")));
        annotations.RecordRemoved(Annotated("2"));
        Assert.False(annotations.IsOpen(Annotated("2")));                                   // the watch is late
        Assert.False(annotations.IsOpen(Ours()));
        Assert.True(annotations.IsNew(Annotated("4")));                                     // set again
        Assert.True(annotations.IsNew(Annotated("2", uid: "other")));
    }

    [Fact]
    public void The_time_of_a_used_or_retained_image_is_not_recorded()
    {
        Assert.Empty(Decide(WithExpiry(Ours()), isUsed: true, given: [Requested, Named]));
        Assert.Equal([new ImageRetained(Nginx, Noon)], Decide(WithExpiry(Ours(retain: true)), Requested, Named));
    }

    [Fact]
    public void A_recorded_time_is_an_intent_whichever_manager_wrote_it_and_a_calculated_one_is_none()
    {
        var resource = WithExpiry(Ours(), manager: null);

        Assert.Equal(Noon.AddDays(2), ImageIntent.From(resource, recorded: Noon.AddDays(2)).ExpiresAt);
        Assert.Null(ImageIntent.From(resource, recorded: null).ExpiresAt);
        Assert.Equal(Noon.AddDays(2), ImageIntent.From(WithExpiry(Ours()), recorded: null).ExpiresAt);
    }

    private static CachedImage WithExpiry(CachedImage resource, string? manager = "kubectl-patch") => resource with
    {
        Spec = resource.Spec! with { ExpiresAt = Noon.AddDays(2) },
        Managers = resource.Managers with { ExpiresAt = manager },
    };

    private static CachedImage New(bool? retain = null) => new()
    {
        Metadata = new ObjectMeta { Name = Name, Uid = "u" },
        Spec = new CachedImageSpec { SourceImage = "nginx:1.27", Retain = retain },
        Managers = new CachedImageManagers(false, "kubectl-create", null, null),
    };

    private static CachedImage Ours(bool? retain = null) => New(retain) with
    {
        Status = new CachedImageStatus { Phase = CachedImagePhase.Ready },
        Managers = new CachedImageManagers(true, null, null, null),
    };

    private static CachedImage Annotated(string? version = null, string uid = "u") => Ours() with
    {
        Metadata = new ObjectMeta
        {
            Name = Name,
            Uid = uid,
            ResourceVersion = version,
            Annotations = new Dictionary<string, string> { [Names.ForceUpdateAnnotation] = "true" },
        },
    };

    private static IEnumerable<object> Decide(CachedImage resource, params object[] given) => Decide(resource, given, isUsed: false);

    private static IEnumerable<object> Decide(CachedImage resource, object[] given, bool isUsed = false, ImageIntent? before = null) =>
        CachedImageIntentReconciler.Decide(Fold(given), Nginx, resource, isUsed, before, Noon);

    private static ImageForgotten? Deleted(CachedImage last, params object[] given) =>
        CachedImageIntentReconciler.DecideDeleted(Fold(given), Nginx, last, Noon);

    private static ImageState Fold(object[] facts) => facts.Aggregate(ImageState.Initial, ImageState.Fold);
}
