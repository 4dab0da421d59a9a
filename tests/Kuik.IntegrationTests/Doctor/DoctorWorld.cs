using System.Text;
using System.Text.Json.Nodes;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Doctor;

/// <summary>The default overlay on a kube-apiserver of its own, with the states that controllers, kubelet and services would give it, and
/// the built tool as a process.</summary>
public sealed class DoctorWorld : Xunit.IAsyncLifetime
{
    public const string Password = "correct-horse-battery-staple";

    private static readonly string Kustomize = Path.Combine(Checkout.Root, "deploy/kustomize");
    private static readonly string[] Keys =
    [
        "postgres", "postgres-password", "rabbitmq", "rabbitmq-password", "registry-password", "registry-htpasswd",
        "registry-read-password", "registry-read-htpasswd", "registry-http-secret", "node-token",
    ];

    private readonly CertificateAuthority _authority = new("kuik-webhook-ca");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kuik-doctor-");

    private KuikService? _webhook;

    public KubernetesApi Api { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Api = await KubernetesApi.StartOwn();
        await Api.NewNamespace("kuik-system");
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "kustomization.yaml"), $"""
            apiVersion: kustomize.config.k8s.io/v1beta1
            kind: Kustomization
            resources: [{Relative("overlays/default")}]
            components: [{Relative("../../tests/kubernetes-1.20")}]
            """);
        await Api.Kubectl("apply", "-k", _folder.FullName);
        await Api.Kubectl("wait", "--for=condition=Established", "crd/cachedimages.kuik.enix.io");
        await StartWebhook();
        await Api.Kubectl(["create", "secret", "generic", "kuik-credentials", "-n", "kuik-system",
            .. Keys.Select(key => $"--from-literal={key}=Password={Password}")]);
        await Api.Apply("""{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1","labels":{"kubernetes.io/os":"linux"}}}""");
        await PatchStatus("nodes", "node-1", """{"status":{"conditions":[{"type":"Ready","status":"True"}]}}""", null);
        await NewPod("node-proxy");
        await WriteEndpoints();
    }

    public ValueTask DisposeAsync()
    {
        _webhook?.Kill();
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs <c>kuik</c> to its end.</summary>
    public Task<ToolResult> Run(params string[] arguments) => RunWith(Api.Kubeconfig, arguments);

    public static Task<ToolResult> RunWith(string kubeconfig, params string[] arguments) =>
        RunTool.Try(Tool, arguments, new Dictionary<string, string?> { ["KUBECONFIG"] = kubeconfig });

    /// <summary>Findings of <c>kuik doctor --output json</c>, by check.</summary>
    public async Task<(int ExitCode, ILookup<string, (string Severity, string Found)> Findings)> Diagnose(params string[] arguments)
    {
        var run = await Run(["doctor", "--output", "json", .. arguments]);
        var findings = JsonNode.Parse(run.Output)!["findings"]!.AsArray();
        return (run.ExitCode, findings.ToLookup(one => (string)one!["check"]!, one => ((string)one!["severity"]!, (string)one!["found"]!)));
    }

    /// <summary>Kubeconfig of a new ServiceAccount with the rights that docs/operations/doctor.md lists.</summary>
    /// <param name="name">Of the account.</param>
    /// <param name="hasRights">False: with none.</param>
    public async Task<string> NewAccount(string name, bool hasRights)
    {
        await Api.Kubectl("create", "serviceaccount", name, "-n", "kuik-system");
        var subject = $"--serviceaccount=kuik-system:{name}";
        if (hasRights)
        {
            await Api.Apply(RightsOfThePage());
            await Api.Kubectl("create", "clusterrolebinding", name, "--clusterrole=kuik-doctor", subject);
            await Api.Kubectl("create", "rolebinding", name, "-n", "kuik-system", "--role=kuik-doctor", subject);
            await Api.Kubectl("create", "rolebinding", name, "-n", "default", "--role=kuik-doctor", subject);
        }
        var token = (await Api.Kubectl("create", "token", "-n", "kuik-system", name, "--duration=1h")).Trim();
        var file = Path.Combine(_folder.FullName, name);
        File.Copy(Api.Kubeconfig, file);
        await Api.Kubectl("config", $"--kubeconfig={file}", "set-credentials", name, $"--token={token}");
        await Api.Kubectl("config", $"--kubeconfig={file}", "set-context", "--current", $"--user={name}");
        return file;
    }

    public static string Tool
    {
        get
        {
            var own = new DirectoryInfo(AppContext.BaseDirectory);
            return Path.Combine(own.Parent!.Parent!.FullName, "CommandLine", own.Name, "kuik");
        }
    }

    // A running pod as the kubelet reports it.
    private async Task NewPod(string component)
    {
        await Api.Apply($$$"""
            {"apiVersion":"v1","kind":"Pod",
             "metadata":{"name":"kuik-{{{component}}}-1","namespace":"kuik-system",
              "labels":{"app.kubernetes.io/component":"{{{component}}}"}},
             "spec":{"nodeName":"node-1","automountServiceAccountToken":false,
              "containers":[{"name":"{{{component}}}","image":"kuik/{{{component}}}:0.1.0"}]}}
            """);
        await PatchStatus("pods", $"kuik-{component}-1", """
            {"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":
             [{"name":"main","ready":true,"restartCount":0,"image":"","imageID":""}]}}
            """, "kuik-system");
    }

    private async Task PatchStatus(string kind, string name, string patch, string? space)
    {
        var path = space is null ? $"/api/v1/{kind}/{name}/status" : $"/api/v1/namespaces/{space}/{kind}/{name}/status";
        var current = JsonNode.Parse(await Api.Kubectl("get", "--raw", path))!;
        current["status"] = JsonNode.Parse(patch)!["status"]!.DeepClone();
        var result = await Api.TryKubectl(["replace", "--raw", path, "-f", "-"], current.ToJsonString());
        if (result.ExitCode != 0)
            throw new ServerFailedException($"kubectl replace {path}: {result.Errors}");
    }

    // On the loopback instead of behind a Service, whose address leads nowhere here; and with more time than 2 s, on a busy machine.
    private async Task StartWebhook()
    {
        var (http, https) = (FreePort.Next(), FreePort.Next());
        var pair = _authority.Issue("CN=kuik-webhook", "kuik-webhook.kuik-system.svc", "127.0.0.1");
        var (certificate, key) = pair.WriteTo(_folder.FullName, "webhook");
        await Api.Kubectl("patch", "mutatingwebhookconfiguration", "kuik-webhook", "--type=json", "-p", $$$"""
            [{"op":"replace","path":"/webhooks/0/clientConfig","value":{"url":"https://127.0.0.1:{{{https}}}/mutate-core-v1-pod"}},
             {"op":"replace","path":"/webhooks/0/timeoutSeconds","value":30}]
            """);
        await WriteBundle(_authority);
        await Api.Kubectl("create", "secret", "tls", "kuik-webhook-tls", "-n", "kuik-system", $"--cert={certificate}", $"--key={key}");
        _webhook = await KuikService.Start("Webhook", new KuikServiceOptions
        {
            Port = http,
            Settings = new Dictionary<string, string?>
            {
                ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{http};https://127.0.0.1:{https}",
                ["Kestrel:Certificates:Default:Path"] = certificate,
                ["Kestrel:Certificates:Default:KeyPath"] = key,
                ["Kuik:Webhook:ShutdownDelay"] = "0",
            },
        });
        await UntilWebhookIs("ok");
    }

    /// <summary>Waits until the API server, which reads configurations in the background, does with the webhook what it is to do.</summary>
    public Task UntilWebhookIs(string severity) => Eventually.True(
        async () => (await Diagnose()).Findings["webhook"].All(one => one.Severity == severity),
        $"the finding of the webhook is {severity}");

    /// <summary>Puts the webhook's authority, or another one, into caBundle.</summary>
    public Task WriteBundle(CertificateAuthority? authority = null) => Api.Kubectl(
        "patch", "mutatingwebhookconfiguration", "kuik-webhook", "--type=json", "-p",
        $$"""[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"{{Base64((authority ?? _authority).Pem)}}"}]""");

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    // As pod-watcher does.
    private async Task WriteEndpoints()
    {
        async Task<string> Address(string service) =>
            (await Api.Kubectl("get", "service", service, "-n", "kuik-system", "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}"))
                .Trim();
        var (cache, fetcher) = (await Address("kuik-registry-read"), await Address("kuik-image-fetcher"));
        await Api.Kubectl("create", "configmap", "kuik-node-proxy-endpoints", "-n", "kuik-system",
            $"--from-literal=endpoints=cache=http://{cache}\nfetcher=http://{fetcher}\n");
    }

    private string Relative(string path) => Path.GetRelativePath(_folder.FullName, Path.GetFullPath(Path.Combine(Kustomize, path)));

    private static string RightsOfThePage()
    {
        var page = File.ReadAllText(Path.Combine(Checkout.Root, "docs/operations/doctor.md"));
        var begin = page.IndexOf("```yaml\n", StringComparison.Ordinal) + "```yaml\n".Length;
        return page[begin..page.IndexOf("```", begin, StringComparison.Ordinal)];
    }
}
