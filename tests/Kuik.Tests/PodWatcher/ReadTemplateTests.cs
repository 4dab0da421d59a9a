using System.Text.Json;
using Kuik.Contracts;
using Kuik.Hosting;
using Kuik.PodWatcher;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.Tests.PodWatcher;

/// <summary>The pod templates of workloads, as the API writes them.</summary>
public sealed class ReadTemplateTests
{
    [Fact]
    public void The_images_of_a_template_are_those_that_its_author_wrote()
    {
        var read = Read("Deployment", """
            {"replicas":0,"template":{"metadata":{"labels":{"app":"web"}},"spec":{"serviceAccountName":"runner","imagePullSecrets":[{"name":"pull"}],
              "initContainers":[{"name":"init","image":"busybox"}],"containers":[{"name":"web","image":"nginx:1.27"},{"name":"none"}],
              "volumes":[{"name":"model","image":{"reference":"quay.io/team/model:1"}},{"name":"tmp","emptyDir":{}}]}}}
            """);

        Assert.Equal(
            [
                new PodImage("web", "docker.io/library/nginx:1.27", "nginx:1.27"),
                new PodImage("init", "docker.io/library/busybox:latest", "busybox"),
                new PodImage("volume model", "quay.io/team/model:1", "quay.io/team/model:1"),
            ],
            read.Images);
        Assert.Equal(("Deployment/uid", "apps", "web", "apps/runner", 7L),
            (read.Uid, read.Namespace, read.Name, read.Account, read.Version));
        Assert.Equal(["pull"], read.PullSecrets);
    }

    [Fact]
    public void A_cron_jobs_template_is_that_of_its_jobs()
    {
        var read = Read("CronJob", """
            {"schedule":"0 3 * * *","jobTemplate":{"metadata":{"labels":{"app":"x"}},"spec":{"template":{"spec":{"containers":[{"name":"job","image":"redis:8"}]}}}}}
            """);

        Assert.Equal([new PodImage("job", "docker.io/library/redis:8", "redis:8")], read.Images);
        Assert.Equal(("CronJob/uid", "apps/default"), (read.Uid, read.Account));
    }

    [Fact]
    public void A_template_that_opts_out_by_its_label_has_no_images() => Assert.Empty(Read("Job", """
        {"template":{"metadata":{"labels":{"kube-image-keeper.enix.io/image-caching-policy":"ignore"}},"spec":{"containers":[{"name":"c","image":"nginx"}]}}}
        """).Images);

    [Fact]
    public void A_template_made_from_a_rewritten_pod_names_the_original_image() => Assert.Equal(
        [new PodImage("c", "docker.io/library/nginx:1.27", "docker.io/library/nginx:1.27")],
        Read("StatefulSet", """{"template":{"spec":{"containers":[{"name":"c","image":"localhost:7439/nginx:1.27"}]}}}""").Images);

    [Fact]
    public void An_image_of_the_nodes_own_registry_or_one_that_cannot_be_parsed_is_none() => Assert.Empty(
        Read("DaemonSet", """{"template":{"spec":{"containers":[{"name":"c","image":"localhost:5000/a"},{"name":"d","image":"UPPER CASE"}]}}}""").Images);

    [Fact]
    public void A_replica_sets_owner_is_its_deployment()
    {
        var read = Read("ReplicaSet", "{}", ""","ownerReferences":[{"kind":"Deployment","name":"web","controller":true}]""");

        Assert.Equal(("Deployment", "web"), (read.OwnerKind, read.OwnerName));
        Assert.Empty(read.Images);
    }

    [Theory]
    [InlineData(null, "")]
    [InlineData("none", "")]
    [InlineData("all", "Deployment StatefulSet DaemonSet ReplicaSet Job CronJob")]
    [InlineData("Deployment, CronJob,Deployment", "Deployment CronJob")]
    public void The_setting_names_the_kinds_that_are_followed(string? setting, string kinds) =>
        Assert.Equal(kinds, string.Join(' ', Options(setting).FollowedWorkloads));

    [Theory]
    [InlineData("Pod")]
    [InlineData("deployment")]
    [InlineData("all,Job")]
    [InlineData("Job,")]
    public void Another_kind_is_refused(string setting) => Assert.Throws<InvalidSettingException>(() => Options(setting));

    [Fact]
    public void Each_kind_has_its_path_for_all_and_for_one()
    {
        var kinds = new WatchedKinds(Options("all")).Workloads;

        Assert.Equal(
            ["apis/apps/v1/deployments", "apis/apps/v1/statefulsets", "apis/apps/v1/daemonsets", "apis/apps/v1/replicasets",
                "apis/batch/v1/jobs", "apis/batch/v1/cronjobs"],
            kinds.Select(kind => kind.Resource.Path));
        Assert.Equal("apis/batch/v1/namespaces/apps/cronjobs/web", kinds[^1].PathOf(Read("CronJob", "{}")));
    }

    private static WatcherOptions Options(string? workloads) =>
        WatcherOptions.From(new ConfigurationBuilder().AddInMemoryCollection([new("Kuik:FollowedWorkloads", workloads)]).Build());

    private static LiveUser Read(string kind, string spec, string metadata = "") => ReadPod.ReadTemplate(
        kind,
        JsonSerializer.Deserialize(
            $$$"""{"metadata":{"uid":"uid","namespace":"apps","name":"web","resourceVersion":"7"{{{metadata}}}},"spec":{{{spec}}}}""",
            PodJson.Default.Pod)!,
        [7439]);
}
