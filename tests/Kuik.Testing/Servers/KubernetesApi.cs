namespace Kuik.Testing;

/// <summary>
/// A real Kubernetes API: the cluster that <c>KUBECONFIG</c> names, else kube-apiserver and etcd from the folder
/// <c>KUBEBUILDER_ASSETS</c>, else those that install-servers has built and installed. Of the last two only these run: there
/// is no controller, scheduler or kubelet, so pods stay Pending until a test writes their status, a namespace never ends
/// being deleted, and ServiceAccounts are made by <see cref="NewNamespace"/>, without tokens.
/// </summary>
public sealed class KubernetesApi
{
    private static readonly Lazy<Task<KubernetesApi>> OfThisProcess = new(() => StartNamedOrOwn());
    private readonly OwnKubernetesApi? own;
    private int namespaces;

    private KubernetesApi(string kubeconfig, OwnKubernetesApi? own) => (Kubeconfig, this.own) = (kubeconfig, own);

    /// <summary>A file with the address and an administrator's credentials.</summary>
    public string Kubeconfig { get; }

    /// <summary>
    /// The one shared by all tests of this process, started by the first of them. Never stop it, and create no cluster-wide
    /// object that would disturb others.
    /// </summary>
    public static Task<KubernetesApi> Shared() => OfThisProcess.Value;

    /// <summary>One for a single test. Takes about 5 seconds.</summary>
    /// <param name="sandbox">Where its data is; default the shared one.</param>
    /// <exception cref="ServerFailedException">It does not start.</exception>
    public static async Task<KubernetesApi> StartOwn(Sandbox? sandbox = null)
    {
        var own = new OwnKubernetesApi(sandbox ?? Sandbox.Shared);
        await own.Start();
        var api = new KubernetesApi(own.Kubeconfig, own);
        await api.MakeServiceAccount("default");
        return api;
    }

    /// <summary>A new namespace with a <c>default</c> ServiceAccount, so that pods can be created in it.</summary>
    /// <param name="name">Default: a unique one.</param>
    public async Task<string> NewNamespace(string? name = null)
    {
        name ??= $"kuik-test-{Environment.ProcessId}-{Interlocked.Increment(ref namespaces)}";
        await Kubectl("create", "namespace", name);
        if (own is not null)
            await MakeServiceAccount(name);
        return name;
    }

    /// <summary>Runs kubectl against it.</summary>
    /// <returns>The output of kubectl.</returns>
    /// <exception cref="ServerFailedException">kubectl failed; the message is its own.</exception>
    public Task<string> Kubectl(params string[] arguments) => RunTool.Run(KubectlProgram.Path, arguments, Variables);

    /// <summary>Runs kubectl against it, and returns failures too.</summary>
    /// <param name="arguments">The arguments of kubectl.</param>
    /// <param name="input">Its standard input, for example a manifest for <c>apply -f -</c>.</param>
    public Task<ToolResult> TryKubectl(IEnumerable<string> arguments, string? input = null) =>
        RunTool.Try(KubectlProgram.Path, arguments, Variables, input);

    /// <summary>Applies manifests.</summary>
    /// <param name="manifests">YAML or JSON, any number of documents.</param>
    /// <exception cref="ServerFailedException">The API refused one.</exception>
    public async Task Apply(string manifests)
    {
        var result = await TryKubectl(["apply", "-f", "-"], manifests);
        if (result.ExitCode != 0)
            throw new ServerFailedException($"kubectl apply failed: {result.Errors.Trim()}");
    }

    /// <summary>Makes the API unreachable, as a crash would: kube-apiserver ends, etcd stays.</summary>
    /// <exception cref="NotSupportedException">It is not ours.</exception>
    public Task Stop() => Own.StopServer();

    /// <summary>Starts it again on the same port with the same data.</summary>
    /// <exception cref="NotSupportedException">It is not ours.</exception>
    public Task Restart() => Own.StartServer();

    /// <summary>The requests of ServiceAccounts, oldest first. A request is listed shortly after its response.</summary>
    /// <exception cref="NotSupportedException">It was not started here.</exception>
    public IReadOnlyList<ApiCall> CallsOfAccounts() => AuditLog.Read(Own.AuditLogFile);

    private OwnKubernetesApi Own =>
        own ?? throw new NotSupportedException("the cluster that KUBECONFIG names is not ours to stop; take KubernetesApi.StartOwn()");

    private Dictionary<string, string?> Variables =>
        new() { ["KUBECONFIG"] = Kubeconfig, ["HOME"] = Environment.GetEnvironmentVariable("HOME") ?? "/tmp" };

    // No token: the admission plugin would wait for the controller that makes them.
    private Task MakeServiceAccount(string name) => Apply($$"""
        {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"{{name}}"},"automountServiceAccountToken":false}
        """);

    private static async Task<KubernetesApi> StartNamedOrOwn() =>
        Environment.GetEnvironmentVariable("KUBECONFIG") is { Length: > 0 } named ? new(named, null) : await StartOwn();
}
