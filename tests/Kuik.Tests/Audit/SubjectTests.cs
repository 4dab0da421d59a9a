using Kuik.EventLog.Audit;
using Xunit;

namespace Kuik.Tests.Audit;

/// <summary>The subjects of questions as users write them.</summary>
public class SubjectTests
{
    [Theory]
    [InlineData("nginx:1.27", "docker.io/library/nginx:1.27")]
    [InlineData("registry.example.com/team/app", "registry.example.com/team/app:latest")]
    [InlineData("docker.io/pod/tool:1", "docker.io/pod/tool:1")]
    public void An_image_is_normalised(string text, string image)
    {
        var (subject, _) = Subject.Parse(text);

        Assert.Equal(new Subject(image, null, null, null), subject);
        Assert.Equal([$"image/{image}"], subject!.Query.Streams!);
    }

    [Theory]
    [InlineData("pod/0b2f", "pod/0b2f")]
    [InlineData("workload/0b2f", "workload/0b2f")]
    public void A_uid_is_one_stream(string text, string stream) => Assert.Equal([stream], Subject.Parse(text).Subject!.Query.Streams!);

    [Theory]
    [InlineData("pod/web/front-1", "pod")]
    [InlineData("Deployment/web/front-1", "deployment")]
    public void A_name_is_that_of_every_pod_or_workload_that_had_it(string text, string kind)
    {
        var (subject, _) = Subject.Parse(text);

        Assert.Equal((kind, ("web", "front-1")), (subject!.Kind, subject.Query.User));
        Assert.Equal(kind == "pod", subject.Covers(AuditLog.Recorded(AuditLog.Pod)));
    }

    [Theory]
    [InlineData("deployment/front")]
    [InlineData("pod/web/")]
    [InlineData("UPPER/case")]
    public void What_is_none_is_refused_with_what_is_accepted(string text)
    {
        var (subject, problem) = Subject.Parse(text);

        Assert.Null(subject);
        Assert.Contains("pod/NAMESPACE/NAME", problem, StringComparison.Ordinal);
    }
}
