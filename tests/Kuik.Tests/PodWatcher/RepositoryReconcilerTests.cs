using Kuik.EventLog;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class RepositoryReconcilerTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("Ready", "True", ImageStage.Cached, ImageStage.Cached)]
    [InlineData("Ready", "True", ImageStage.Cached, ImageStage.Expired)]
    [InlineData("Pulling", "False", ImageStage.Cached, ImageStage.Fetching)]
    [InlineData("Pulling", "False", ImageStage.Requested, ImageStage.Cached)]
    [InlineData("ErrImagePull", "False", ImageStage.Fetching, ImageStage.Failed)]
    public void The_phase_is_that_of_the_worst_image(string phase, string ready, ImageStage one, ImageStage other)
    {
        var status = RepositoryReconciler.Desired([Image("1", one), Image("2", other)], null, Noon)!;

        Assert.Equal((phase, 2, "Ready", ready), (status.Phase, status.Images, status.Conditions![0].Type, status.Conditions[0].Status));
    }

    [Fact]
    public void Of_two_failed_images_the_message_always_names_the_same_one()
    {
        var one = RepositoryReconciler.Desired([Image("1", ImageStage.Failed), Image("2", ImageStage.Failed)], null, Noon)!;
        var other = RepositoryReconciler.Desired([Image("2", ImageStage.Failed), Image("1", ImageStage.Failed)], null, Noon)!;

        Assert.Equal(one.Conditions![0].Message, other.Conditions![0].Message);
    }

    [Fact]
    public void The_condition_keeps_its_time_while_its_status_stays()
    {
        var before = new Repository
        { Metadata = new ObjectMeta(), Status = RepositoryReconciler.Desired([Image("1", ImageStage.Requested)], null, Noon) };

        var failed = RepositoryReconciler.Desired([Image("1", ImageStage.Failed)], before, Noon.AddHours(1))!;
        var cached = RepositoryReconciler.Desired([Image("1", ImageStage.Cached)], before, Noon.AddHours(1))!;

        Assert.Equal(Noon, failed.Conditions![0].LastTransitionTime);
        Assert.Equal(Noon.AddHours(1), cached.Conditions![0].LastTransitionTime);
    }

    [Fact]
    public void A_repository_without_images_goes_unless_a_person_has_written_into_it()
    {
        var ours = new Repository { Metadata = new ObjectMeta(), Spec = new RepositorySpec { Name = "docker.io/library/nginx" } };
        var edited = ours with { Spec = ours.Spec with { UpdateInterval = "1h" } };

        Assert.Null(RepositoryReconciler.Desired([], ours, Noon));
        Assert.Null(RepositoryReconciler.Desired([], null, Noon));
        Assert.Equal(0, RepositoryReconciler.Desired([], edited, Noon)!.Images);
    }

    [Fact]
    public void Repositories_that_would_share_a_name_get_two_and_keep_them()
    {
        var owners = new Dictionary<string, string>();
        string NameOf(string repository)
        {
            var name = RepositoryReconciler.NameOf(repository, owners.GetValueOrDefault);
            owners[name] = repository;
            return name;
        }

        var first = NameOf("reg.example.com/a/b");
        var second = NameOf("reg.example.com/a-b");

        Assert.Equal("reg.example.com-a-b", first);
        Assert.StartsWith("reg.example.com-a-b-", second, StringComparison.Ordinal);
        Assert.Equal((first, second), (NameOf("reg.example.com/a/b"), NameOf("reg.example.com/a-b")));
    }

    [Fact]
    public void The_longest_name_fits() =>
        Assert.Equal(253, RepositoryReconciler.NameOf("reg.example.com/" + new string('a', 239), _ => null).Length);

    private static ImageView Image(string tag, ImageStage stage) =>
        new($"image/docker.io/library/nginx:{tag}", 1, $"docker.io/library/nginx:{tag}", $"nginx:{tag}", stage);
}
