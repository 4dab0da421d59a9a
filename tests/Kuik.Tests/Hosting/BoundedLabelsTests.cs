using Kuik.Hosting;
using Xunit;

namespace Kuik.Tests.Hosting;

public sealed class BoundedLabelsTests
{
    [Fact]
    public void The_first_values_that_succeeded_keep_their_label_and_all_others_are_one()
    {
        var labels = new BoundedLabels(2);

        string[] given = [labels.Get("a", true), labels.Get("b", true), labels.Get("c", true), labels.Get("a", true)];

        Assert.Equal(["a", "b", BoundedLabels.Other, "a"], given);
    }

    [Fact]
    public void Values_that_never_succeeded_cannot_take_the_labels_of_those_that_do()
    {
        var labels = new BoundedLabels(1, mostUnproven: 2);

        var invented = Enumerable.Range(0, 1000).Select(number => labels.Get($"{number}.example", false)).Distinct();

        Assert.Equal(["0.example", "1.example", BoundedLabels.Other], invented);
        Assert.Equal(["docker.io", "1.example"], [labels.Get("docker.io", true), labels.Get("1.example", true)]);
    }

    [Fact]
    public void Concurrent_values_do_not_pass_the_limit()
    {
        var labels = new BoundedLabels(10);
        var given = new System.Collections.Concurrent.ConcurrentBag<string>();

        Parallel.For(0, 1000, number => given.Add(labels.Get($"{number}", true)));

        Assert.Equal(11, given.Distinct().Count());
    }
}
