using Kuik.Contracts;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class RepositoryIntentRecorderTests
{
    [Fact]
    public void A_spec_is_recorded_as_it_is()
    {
        var spec = new RepositorySpec
        {
            Name = "docker.io/library/nginx",
            PullSecretNames = ["hub"],
            PullSecretsNamespace = "default",
            UpdateInterval = "1h30m",
            UpdateFilters = [":latest$"],
        };

        var (wanted, problem) = RepositoryIntentRecorder.From(spec);

        Assert.Null(problem);
        var expected = new RepositoryConfiguration
        {
            PullSecretNames = ["hub"],
            PullSecretsNamespace = "default",
            UpdateInterval = TimeSpan.FromMinutes(90),
            UpdateFilters = [":latest$"],
        };
        Assert.Equal(expected, wanted);
        Assert.Null(wanted.ChangeTo(expected, spec.Name, default));
    }

    [Theory]
    [InlineData("1 day")]
    [InlineData("0")]
    [InlineData("-1h")]
    [InlineData("30s")]
    public void An_interval_that_cannot_be_used_refreshes_nothing_and_is_named(string interval)
    {
        var (wanted, problem) = RepositoryIntentRecorder.From(new RepositorySpec { UpdateInterval = interval });

        Assert.Null(wanted.UpdateInterval);
        Assert.StartsWith($"spec.updateInterval \"{interval}\" is not a duration of a minute or more, such as 24h or 1h30m", problem,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(latest", "Not enough )'s")]
    [InlineData("[[:lower:]]", "\"[:\" at character 2 is not supported: write [a-z] for [[:lower:]]")]   // as the webhook says
    public void A_filter_that_cannot_be_used_is_named_with_the_reason(string filter, string reason)
    {
        var (_, problem) = RepositoryIntentRecorder.From(new RepositorySpec { UpdateInterval = "1h", UpdateFilters = [filter] });

        Assert.StartsWith($"spec.updateFilters \"{filter}\" is not a regular expression", problem, StringComparison.Ordinal);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_problem_is_shown_in_the_condition_of_the_Repository()
    {
        var status = RepositoryReconciler.Desired([], new Repository
        {
            Metadata = new ObjectMeta(),
            Spec = new RepositorySpec { Name = "docker.io/library/nginx", UpdateInterval = "x" },
        }, default, "the sentence")!;

        Assert.Equal(("Invalid", "False", "the sentence"), (status.Phase, status.Conditions![0].Status, status.Conditions[0].Message));
    }
}
