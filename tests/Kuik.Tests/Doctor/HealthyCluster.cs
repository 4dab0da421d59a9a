using System.Text;
using Kuik.CommandLine.Doctor;
using Kuik.Kubernetes;
using Kuik.Testing;
using LabelSelector = Kuik.CommandLine.Doctor.LabelSelector;

namespace Kuik.Tests.Doctor;

/// <summary>A cluster in which every check finds nothing, to be changed with <c>with</c>.</summary>
internal static class HealthyCluster
{
    public const string Space = "kuik-system";

    public static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    private static readonly string[] Services = ["webhook", "node-proxy", "pod-watcher", "image-fetcher", "expiry"];
    private static readonly CertificateAuthority Authority = new("kuik-webhook-ca");
    private static readonly string Certificate = Authority.Issue("CN=kuik-webhook", $"kuik-webhook.{Space}.svc").Certificate;

    public static ClusterSnapshot Snapshot => new()
    {
        Time = Now,
        Namespace = Space,
        Namespaces = Read([NewNamespace("default"), NewNamespace(Space)]),
        Nodes = Read([NewNode("node-1")]),
        Pods = Read([.. Services.Select(service => NewPod(service)), NewPod("registry")]),
        PendingPods = Read<Pod>([]),
        Workloads = Read([.. Services.Select(service => NewWorkload(service)), NewWorkload("registry", "registry:2.8.3")]),
        Services = Read([NewService("kuik-registry-read", "10.96.0.5", 5001), NewService("kuik-image-fetcher", "10.96.0.6", 8080)]),
        Settings = Settings(),
        Endpoints = Reading.Of<string?>("cache=http://10.96.0.5:5001\nfetcher=http://10.96.0.6:8080\n"),
        Webhook = Configuration(Authority.Pem),
        Certificate = Reading.Of<string?>(Certificate),
        CredentialKeys = Reading.Of<IReadOnlyList<string>?>(
        [
            "postgres", "postgres-password", "rabbitmq", "rabbitmq-password", "registry-password", "registry-htpasswd",
            "registry-read-password", "registry-read-htpasswd", "registry-http-secret", "node-token",
        ]),
        Claims = Read([NewClaim("data-kuik-postgres-0", "Bound")]),
        StorageClasses = Read([new StorageClass(Meta("standard"))]),
        Events = Read<Event>([]),
        Images = Read([Image("nginx", null)]),
        RegistryLog = Reading.Of(""),
        Answers = [Answer("webhook"), Answer("pod-watcher"), Answer("image-fetcher"), Answer("expiry")],
        Admission = Admitted(),
        ImageRules = Read<ImageRule>([]),
    };

    public static Reading<IReadOnlyList<T>> Read<T>(IReadOnlyList<T> all) => Reading.Of(all);

    public static Reading<IReadOnlyList<T>> Forbidden<T>() => Reading<IReadOnlyList<T>>.Failed("403 forbidden");

    public static Reading<IReadOnlyDictionary<string, string>> Settings(params (string Key, string Value)[] settings) =>
        Reading.Of<IReadOnlyDictionary<string, string>>(settings.ToDictionary(one => one.Key, one => one.Value));

    public static Reading<WebhookConfiguration?> Configuration(string authority, LabelSelector? selector = null) =>
        Reading.Of<WebhookConfiguration?>(
        new WebhookConfiguration(Meta("kuik-webhook"),
        [
            new MutatingWebhook("pods.kuik.enix.io", new WebhookClient(Convert.ToBase64String(Encoding.UTF8.GetBytes(authority))), "Ignore",
                selector ?? new LabelSelector(MatchExpressions: [new("kubernetes.io/metadata.name", "NotIn", ["kube-system", Space])])),
        ]));

    public static Reading<Admission> Admitted(AdmittedPod? rewritten = null, AdmittedPod? untouched = null) => Reading.Of(new Admission(
        "default", "nginx:1.27", rewritten ?? new AdmittedPod("localhost:7439/nginx:1.27", "IfNotPresent", true, null),
        untouched ?? new AdmittedPod("nginx:1.27", "IfNotPresent", false, null)));

    public static Namespace NewNamespace(string name, params string[] components) => new(new ObjectMeta
    {
        Name = name,
        Labels = new Dictionary<string, string> { ["kubernetes.io/metadata.name"] = name },
        Annotations = components.ToDictionary(component => "components.kuik.enix.io/" + component, _ => "true"),
    });

    public static Node NewNode(string name, string ready = "True") => new(Meta(name), new NodeStatus([new Condition("Ready", ready)]));

    public static Pod NewPod(string component, string version = "0.1.0", ContainerStatus? status = null, string ready = "True",
        string node = "node-1") => new(
        new ObjectMeta
        {
            Name = $"kuik-{component}-1",
            Namespace = Space,
            Labels = new Dictionary<string, string> { ["app.kubernetes.io/component"] = component },
        },
        new PodSpec(node, [new Container(component, $"kuik/{component}:{version}")]),
        new PodStatus("Running", Conditions: [new Condition("Ready", ready)],
            ContainerStatuses: [status ?? new ContainerStatus(component, Ready: true)]));

    public static Workload NewWorkload(string component, string? image = null, params EnvironmentVariable[] env) => new(
        Meta("kuik-" + component),
        new WorkloadSpec(new PodTemplate(new PodSpec(null, [new Container(component, image ?? $"kuik/{component}:0.1.0", Env: env)]))));

    public static Service NewService(string name, string address, int port) =>
        new(Meta(name), new ServiceSpec(address, [new ServicePort(port)]));

    public static VolumeClaim NewClaim(string name, string phase, string? storageClass = null) =>
        new(Meta(name), new VolumeClaimSpec(storageClass), new VolumeClaimStatus(phase));

    public static CachedImage Image(string name, string? error) => new()
    {
        Metadata = Meta(name),
        Status = new CachedImageStatus
        {
            LastError = error,
            Phase = error is null ? CachedImagePhase.Ready : CachedImagePhase.ErrImagePull,
        },
    };

    public static ServiceAnswers Answer(string component, string readiness = "Healthy", string metrics = "") =>
        new($"kuik-{component}-1", component, Reading.Of(readiness + "\n"), Reading.Of(MetricSamples.Parse(metrics)));

    public static ServiceAnswers Unreached(string component, string problem) =>
        new($"kuik-{component}-1", component, Reading<string>.Failed(problem), Reading<MetricSamples>.Failed(problem));

    public static ObjectMeta Meta(string name) => new() { Name = name };
}

/// <summary>The findings of a check, in a form that a test can compare.</summary>
internal static class Examination
{
    /// <summary>Severity and text of the only finding.</summary>
    public static (Severity Severity, string Found, string? Action) Only(this Check check, ClusterSnapshot cluster)
    {
        var finding = Xunit.Assert.Single(check.Examine(cluster));
        Xunit.Assert.Equal(check.Name, finding.Check);
        return (finding.Severity, finding.Found, finding.Action);
    }
}
