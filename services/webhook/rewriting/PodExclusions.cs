using System.IO.Enumeration;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>
/// The pods that are left unchanged as a whole, independent of their images: those that may run where no node-proxy listens (rewritten,
/// they would never start), and critical ones (a new node's network plugin must not wait for Kuik, which needs that network). Where a pod
/// may run on either kind of node, it is left alone too: without Kuik it starts, rewritten it may not. Each list replaces its default; an
/// empty value makes it empty.
/// </summary>
public sealed partial record PodExclusions
{
    /// <summary>
    /// Labels of the pod: <c>key</c> or <c>key=value</c>, in the value <c>*</c> for any characters. Default: Fargate's and Alibaba ECI's.
    /// </summary>
    public IReadOnlyList<string> Labels { get; init; } = ["eks.amazonaws.com/fargate-profile", "alibabacloud.com/eci=true"];

    /// <summary>Values of <c>schedulerName</c>, <c>*</c> for any characters. Default: Fargate's.</summary>
    public IReadOnlyList<string> Schedulers { get; init; } = ["fargate-scheduler"];

    /// <summary>
    /// Values of <c>runtimeClassName</c>, <c>*</c> for any characters. Default: those of Confidential Containers, which pull images
    /// inside the virtual machine.
    /// </summary>
    public IReadOnlyList<string> RuntimeClasses { get; init; } =
    [
        "kata-cc*", "kata-remote*", "kata-qemu-coco-dev*", "kata-qemu-tdx*", "kata-qemu-snp*", "kata-qemu-sev*", "kata-qemu-se",
        "kata-qemu-se-*", "kata-qemu-cca*", "kata-qemu-nvidia-gpu-tdx*", "kata-qemu-nvidia-gpu-snp*", "enclave-cc*",
    ];

    /// <summary>
    /// Labels of nodes, as in <see cref="Labels"/>: looked for in <c>nodeSelector</c>, and as operator <c>In</c> (or, without a value,
    /// <c>Exists</c>) in the required node affinity. Default: Windows, virtual-kubelet, Azure's virtual nodes, Fargate.
    /// </summary>
    public IReadOnlyList<string> NodeSelectors { get; init; } =
    [
        "kubernetes.io/os=windows", "beta.kubernetes.io/os=windows", "node.kubernetes.io/windows-build", "type=virtual-kubelet",
        "virtualization=virtualnode2", "eks.amazonaws.com/compute-type=fargate",
    ];

    /// <summary>
    /// Tolerations that name such a node's taint, as in <see cref="Labels"/>. A toleration forces no pod onto a node, but one with this
    /// key was written for it. One without a key (a DaemonSet that tolerates everything) names nothing and does not count. Default:
    /// virtual-kubelet's.
    /// </summary>
    public IReadOnlyList<string> Tolerations { get; init; } = ["virtual-kubelet.io/provider"];

    /// <summary>
    /// Leave pods of <c>system-node-critical</c> and <c>system-cluster-critical</c> priority alone, in every namespace. Default true.
    /// </summary>
    public bool CriticalPods { get; init; } = true;

    // Kubernetes' SystemCriticalPriority: other priority classes may have at most half of it.
    private const int SystemCriticalPriority = 2_000_000_000;

    /// <summary>Reads <c>Kuik:Webhook:IgnoredLabels</c>, <c>IgnoredSchedulers</c>, <c>IgnoredRuntimeClasses</c>,
    /// <c>IgnoredNodeSelectors</c>, <c>IgnoredTolerations</c> and <c>IgnoreCriticalPods</c>.</summary>
    /// <exception cref="InvalidSettingException">A value cannot be used.</exception>
    public static PodExclusions From(IConfiguration configuration)
    {
        var defaults = new PodExclusions();
        return new PodExclusions
        {
            Labels = ReadLabels(configuration, "Kuik:Webhook:IgnoredLabels", defaults.Labels),
            Schedulers = ReadNames(configuration, "Kuik:Webhook:IgnoredSchedulers", defaults.Schedulers),
            RuntimeClasses = ReadNames(configuration, "Kuik:Webhook:IgnoredRuntimeClasses", defaults.RuntimeClasses),
            NodeSelectors = ReadLabels(configuration, "Kuik:Webhook:IgnoredNodeSelectors", defaults.NodeSelectors),
            Tolerations = ReadLabels(configuration, "Kuik:Webhook:IgnoredTolerations", defaults.Tolerations),
            CriticalPods = configuration.Read("Kuik:Webhook:IgnoreCriticalPods", defaults.CriticalPods, "true or false"),
        };
    }

    /// <summary>The reason to leave a pod unchanged, and its metric label; null when there is none.</summary>
    public (Outcome Outcome, string Reason)? Find(JsonElement? pod)
    {
        var spec = pod.Member("spec");
        if (FindUnserved(pod.Member("metadata").Member("labels"), spec) is { } unserved)
            return (Outcome.PodNotServed, $"{unserved}: no node-proxy serves it");
        return CriticalPods && FindCritical(spec) is { } critical
            ? (Outcome.PodCritical, $"{critical}: a critical pod must not need Kuik")
            : null;
    }

    private string? FindUnserved(JsonElement? labels, JsonElement? spec)
    {
        if (spec.Member("os").Member("name").Text() == "windows")
            return "os windows";
        if (Labels.FirstOrDefault(rule => IsIn(labels, rule)) is { } label)
            return $"label {label}";
        if (Find(Schedulers, spec.Member("schedulerName")) is { } scheduler)
            return $"scheduler {scheduler}";
        if (Find(RuntimeClasses, spec.Member("runtimeClassName")) is { } runtimeClass)
            return $"runtime class {runtimeClass}";
        if (NodeSelectors.FirstOrDefault(rule => IsIn(spec.Member("nodeSelector"), rule)) is { } selector)
            return $"node selector {selector}";
        if (FindAffinity(spec) is { } affinity)
            return $"node affinity {affinity}";
        return spec.Member("tolerations").Items().Select(FindToleration).FirstOrDefault(found => found is not null) is { } toleration
            ? $"toleration {toleration}"
            : null;
    }

    private static string? FindCritical(JsonElement? spec) => spec.Member("priorityClassName").Text() switch
    {
        ("system-node-critical" or "system-cluster-critical") and var name => $"priority class {name}",
        _ => spec.Member("priority") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var priority)
            && priority >= SystemCriticalPriority ? $"priority {priority}" : null,
    };

    // Terms are alternatives, so one that names such nodes is enough for the pod to be put there.
    private string? FindAffinity(JsonElement? spec) =>
        spec.Member("affinity").Member("nodeAffinity").Member("requiredDuringSchedulingIgnoredDuringExecution")
            .Member("nodeSelectorTerms").Items()
            .SelectMany(term => term.Member("matchExpressions").Items())
            .Select(FindExpression).FirstOrDefault(found => found is not null);

    private string? FindExpression(JsonElement? expression)
    {
        var key = expression.Member("key").Text();
        return expression.Member("operator").Text() switch
        {
            "In" => NodeSelectors.FirstOrDefault(
                rule => expression.Member("values").Items().Any(value => IsMatch(rule, key, value.Text()))),
            "Exists" => NodeSelectors.FirstOrDefault(rule => rule == key),
            _ => null,
        };
    }

    private string? FindToleration(JsonElement? toleration)
    {
        if (toleration.Member("key").Text() is not { Length: > 0 } key)
            return null;
        var anyValue = toleration.Member("operator").Text() == "Exists";
        var value = toleration.Member("value").Text() ?? "";
        return Tolerations.FirstOrDefault(rule => anyValue ? KeyOf(rule) == key : IsMatch(rule, key, value));
    }

    private static string? Find(IReadOnlyList<string> names, JsonElement? value) =>
        value.Text() is { Length: > 0 } name && names.Any(pattern => IsGlobMatch(pattern, name)) ? name : null;

    private static bool IsIn(JsonElement? map, string rule) =>
        map.Member(KeyOf(rule)) is { } value && IsMatch(rule, KeyOf(rule), ((JsonElement?)value).Text());

    private static bool IsMatch(string rule, string? key, string? value) =>
        KeyOf(rule) == key
        && (key.Length == rule.Length || (value is not null && IsGlobMatch(rule[(key.Length + 1)..], value)));

    private static string KeyOf(string rule) => rule.IndexOf('=', StringComparison.Ordinal) is >= 0 and var equals ? rule[..equals] : rule;

    // Settings hold no ? and no backslash, which would mean something here.
    private static bool IsGlobMatch(string pattern, string text) =>
        text.Length == 0
            ? pattern.All(character => character == '*')
            : FileSystemName.MatchesSimpleExpression(pattern, text, ignoreCase: false);

    private static IReadOnlyList<string> ReadLabels(IConfiguration configuration, string key, IReadOnlyList<string> defaults) =>
        Read(configuration, key, defaults, ALabel(), "a list of label keys, or key=value with * for any characters in the value");

    private static IReadOnlyList<string> ReadNames(IConfiguration configuration, string key, IReadOnlyList<string> defaults) =>
        Read(
            configuration, key, defaults, AName(),
            "a list of names, with * for any characters; a * alone would match every pod that has one");

    private static IReadOnlyList<string> Read(
        IConfiguration configuration, string key, IReadOnlyList<string> defaults, Regex valid, string accepted)
    {
        var list = configuration.ReadList(key, [.. defaults]);
        return list.FirstOrDefault(item => !valid.IsMatch(item)) is { } wrong
            ? throw new InvalidSettingException(key, wrong, accepted)
            : list;
    }

    [GeneratedRegex(@"\A([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?(=[A-Za-z0-9._*-]{0,63})?\z")]
    private static partial Regex ALabel();

    [GeneratedRegex(@"\A(?!\*+\z)[a-z0-9.*-]{1,253}\z")]
    private static partial Regex AName();
}
