using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kuik.CommandLine.Output;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>
/// Reads the parts of a cluster that the checks need. Changes nothing in the cluster: the pods of
/// <see cref="AdmissionProbe"/> are dry runs.
/// </summary>
/// <param name="api">The cluster.</param>
/// <param name="space">Kuik's namespace.</param>
/// <param name="probe">Runs the dry runs.</param>
/// <param name="time">The clock.</param>
internal sealed class ClusterReader(KubernetesApi api, string space, AdmissionProbe probe, TimeProvider time)
{
    private const int LogLimit = 1 << 20;
    private const int PageSize = 500;

    /// <summary>Reads all parts, each with its own error.</summary>
    /// <exception cref="KubernetesApiException">The API refuses the credentials (401).</exception>
    /// <exception cref="HttpRequestException">The API does not answer.</exception>
    public async Task<ClusterSnapshot> Read(CancellationToken ct)
    {
        await Reach(ct);
        var own = $"api/v1/namespaces/{space}";
        var apps = $"apis/apps/v1/namespaces/{space}";
        var namespaces = List("api/v1/namespaces", DoctorJson.Default.ResourceListNamespace, ct);
        var webhook = Try(async () => await api.TryGet(
            "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kuik-webhook", DoctorJson.Default.WebhookConfiguration,
                ct), ct);
        var pods = List($"{own}/pods", DoctorJson.Default.ResourceListPod, ct);
        var answers = ReadServices(pods, ct);
        var admission = ReadAdmission(webhook, namespaces, ct);
        var configMaps = List($"{own}/configmaps", DoctorJson.Default.ResourceListConfigMap, ct);
        return new ClusterSnapshot
        {
            Time = time.GetUtcNow(),
            Namespace = space,
            Namespaces = await namespaces,
            Nodes = await List("api/v1/nodes", DoctorJson.Default.ResourceListNode, ct),
            Pods = await pods,
            PendingPods = await FirstPage(
                "api/v1/pods?labelSelector=kuik.enix.io%2Fmanaged%3Dtrue&fieldSelector=status.phase%3DPending",
                    DoctorJson.Default.ResourceListPod, ct),
            Workloads = await ReadWorkloads(apps, ct),
            Services = await List($"{own}/services", DoctorJson.Default.ResourceListService, ct),
            Settings = SettingsIn(await configMaps),
            Endpoints = EndpointsIn(await configMaps),
            Webhook = await webhook,
            Certificate = await ReadSecret("kuik-webhook-tls", secret => Decode(secret.Data?.GetValueOrDefault("tls.crt") ?? ""), ct),
            CredentialKeys = await ReadSecret<IReadOnlyList<string>>("kuik-credentials", secret => [.. secret.Data?.Keys ?? []], ct),
            Claims = await List($"{own}/persistentvolumeclaims", DoctorJson.Default.ResourceListVolumeClaim, ct),
            StorageClasses = await List("apis/storage.k8s.io/v1/storageclasses", DoctorJson.Default.ResourceListStorageClass, ct),
            Events = await ReadEvents(ct),
            Images = await List(CachedImage.Path, KubernetesJson.Default.ResourceListCachedImage, ct),
            RegistryLog = await ReadRegistryLog(pods, ct),
            Answers = await answers,
            Admission = await admission,
            ImageRules = await new PolicyReader(api).Read(ct),
        };
    }

    // Parts read after this may fail individually.
    private async Task Reach(CancellationToken ct)
    {
        try
        {
            await api.GetText("version", LogLimit, ct);
        }
        catch (KubernetesApiException refusal) when (refusal.Status == HttpStatusCode.Forbidden)
        {
            // It answers and accepts the user: clusters may hide their version from users without permissions.
        }
    }

    private async Task<Reading<IReadOnlyList<Workload>>> ReadWorkloads(string apps, CancellationToken ct)
    {
        var all = new List<Workload>();
        foreach (var kind in (string[])["deployments", "statefulsets", "daemonsets"])
        {
            var some = await List($"{apps}/{kind}", DoctorJson.Default.ResourceListWorkload, ct);
            if (some.Problem is not null)
                return some;
            all.AddRange(some.Value);
        }
        return Reading.Of<IReadOnlyList<Workload>>(all);
    }

    private async Task<Reading<IReadOnlyList<Event>>> ReadEvents(CancellationToken ct)
    {
        var notCreated = await FirstPage("api/v1/events?fieldSelector=reason%3DFailedCreate", DoctorJson.Default.ResourceListEvent, ct);
        var notStarted = await FirstPage("api/v1/events?fieldSelector=reason%3DFailed", DoctorJson.Default.ResourceListEvent, ct);
        return notCreated.Problem is not null ? notCreated
            : notStarted.Problem is not null ? notStarted
            : Reading.Of<IReadOnlyList<Event>>([.. notCreated.Value, .. notStarted.Value]);
    }

    private async Task<IReadOnlyList<ServiceAnswers>> ReadServices(Task<Reading<IReadOnlyList<Pod>>> pods, CancellationToken ct)
    {
        var reader = new ServiceReader(api, space);
        var all = await pods;
        return all.Problem is null ? await Task.WhenAll(all.Value.Where(ServiceReader.CanAnswer).Select(pod => reader.Read(pod, ct))) : [];
    }

    private async Task<Reading<Admission>> ReadAdmission(
        Task<Reading<WebhookConfiguration?>> webhook, Task<Reading<IReadOnlyList<Namespace>>> namespaces, CancellationToken ct)
    {
        var (hook, all) = (await webhook, await namespaces);
        var selected = hook.Problem is null && all.Problem is null ? ClusterSnapshot.SelectedOf(hook.Value, all.Value) : [];
        return await Try(() => probe.Ask(selected.Count > 0 ? selected[0] : "default", ct), ct);
    }

    private async Task<Reading<string>> ReadRegistryLog(Task<Reading<IReadOnlyList<Pod>>> pods, CancellationToken ct)
    {
        var all = await pods;
        if (all.Problem is { } problem)
            return Reading<string>.Failed(problem);
        var writing = all.Value.Where(pod => pod.Component == "registry"
            && pod.Containers.Any(one => one.Name == "registry" && one.Ready)).ToList();
        if (writing.Count == 0)
            return Reading<string>.Failed("no registry is ready");
        var logs = new StringBuilder();
        foreach (var pod in writing)
        {
            var path = $"api/v1/namespaces/{space}/pods/{pod.Metadata.Name}/log?container=registry&tailLines=500&sinceSeconds=3600";
            var log = await Try(() => api.GetText(path, LogLimit, ct), ct);
            if (log.Problem is not null)
                return log;
            logs.Append(log.Value);
        }
        return Reading.Of(logs.ToString());
    }

    private async Task<Reading<T?>> ReadSecret<T>(string name, Func<Secret, T> keep, CancellationToken ct) where T : class => await Try(
        async () => await api.TryGet($"api/v1/namespaces/{space}/secrets/{name}", DoctorJson.Default.Secret, ct) is { } secret
            ? keep(secret) : null, ct);

    private Task<Reading<IReadOnlyList<T>>> FirstPage<T>(string path, JsonTypeInfo<ResourceList<T>> type, CancellationToken ct) =>
        Try<IReadOnlyList<T>>(async () => (await api.Get($"{path}&limit={PageSize}", type, ct)).Items ?? [], ct);

    private Task<Reading<IReadOnlyList<T>>> List<T>(string path, JsonTypeInfo<ResourceList<T>> type, CancellationToken ct) =>
        Try<IReadOnlyList<T>>(
        async () =>
        {
            var all = new List<T>();
            for (string? next = ""; next is not null;)
            {
                var page = await api.Get($"{path}?limit={PageSize}{(next.Length == 0 ? "" : "&continue=" + Uri.EscapeDataString(next))}",
                    type, ct);
                all.AddRange(page.Items ?? []);
                next = string.IsNullOrEmpty(page.Metadata.Continue) ? null : page.Metadata.Continue;
            }
            return all;
        }, ct);

    private static Reading<IReadOnlyDictionary<string, string>> SettingsIn(Reading<IReadOnlyList<ConfigMap>> maps) =>
        maps.Problem is { } problem
        ? Reading<IReadOnlyDictionary<string, string>>.Failed(problem)
        : Reading.Of(maps.Value.LastOrDefault(map => map.Metadata.Name?.StartsWith("kuik-settings", StringComparison.Ordinal) == true)?.Data
            ?? new Dictionary<string, string>());

    private static Reading<string?> EndpointsIn(Reading<IReadOnlyList<ConfigMap>> maps) => maps.Problem is { } problem
        ? Reading<string?>.Failed(problem)
        : Reading.Of(maps.Value.FirstOrDefault(map => map.Metadata.Name == "kuik-node-proxy-endpoints")?.Data?.GetValueOrDefault(
            "endpoints"));

    private static string Decode(string base64) => Encoding.UTF8.GetString(Convert.FromBase64String(base64));

    internal static async Task<Reading<T>> Try<T>(Func<Task<T>> read, CancellationToken ct)
    {
        try
        {
            return Reading.Of(await read());
        }
        catch (Exception failure) when (
            failure is KubernetesApiException or HttpRequestException or IOException or JsonException or FormatException
            || (failure is OperationCanceledException && !ct.IsCancellationRequested))
        {
            return Reading<T>.Failed(Redaction.Of(failure.Message));
        }
    }
}
