using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Kuik.Testing;

/// <summary>kube-apiserver over an etcd of its own, both on 127.0.0.1, RBAC on, with the admission plugins of every cluster.</summary>
internal sealed class OwnKubernetesApi
{
    private readonly Sandbox sandbox;
    private readonly string folder;
    private readonly string etcdFolder;   // of its own: it outlives a stop of kube-apiserver
    private readonly int port = FreePort.Next();
    private readonly int etcdPort = FreePort.Next();
    private readonly int etcdPeerPort = FreePort.Next();
    private readonly CertificateAuthority authority = new("kuik-tests");
    private ServerProcess? server;

    public OwnKubernetesApi(Sandbox sandbox)
    {
        this.sandbox = sandbox;
        folder = sandbox.NewFolder("kubernetes");
        etcdFolder = sandbox.NewFolder("etcd");
        WriteCredentials();
    }

    public string Kubeconfig => Path.Combine(folder, "admin.kubeconfig");

    /// <summary>A line for each request of a ServiceAccount.</summary>
    public string AuditLogFile => Path.Combine(folder, "audit.log");

    public async Task Start() => await Task.WhenAll(StartEtcd(), StartServer());   // kube-apiserver waits for etcd

    /// <summary>Starts kube-apiserver.</summary>
    public async Task StartServer()
    {
        server = ServerProcess.Start(sandbox, "kube-apiserver", folder, new ServerCommand(Program("kube-apiserver"),
            $"--etcd-servers=http://127.0.0.1:{etcdPort}", $"--secure-port={port}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            $"--client-ca-file={folder}/ca.crt", $"--tls-cert-file={folder}/server.crt", $"--tls-private-key-file={folder}/server.key",
            $"--cert-dir={folder}",
            $"--service-account-key-file={folder}/accounts.key", $"--service-account-signing-key-file={folder}/accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            $"--audit-policy-file={folder}/audit.yaml", $"--audit-log-path={AuditLogFile}", "--audit-log-mode=blocking",
            "--allow-privileged=true", "--disable-admission-plugins=TaintNodesByCondition"));   // without nodes there is nothing to taint
        using var credentials = X509Certificate2.CreateFromPemFile($"{folder}/admin.crt", $"{folder}/admin.key");
        // only whether it answers
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };
        handler.ClientCertificates.Add(credentials);
        using var http = new HttpClient(handler);
        await server.WaitUntil(async ct =>
        {
            using var ready = await http.GetAsync(new Uri($"https://127.0.0.1:{port}/readyz"), ct);
            using var space = await http.GetAsync(new Uri($"https://127.0.0.1:{port}/api/v1/namespaces/default"), ct);
            return ready.IsSuccessStatusCode && space.IsSuccessStatusCode;
        });
    }

    public Task StopServer() => server!.Stop(signal: 9);

    private async Task StartEtcd()
    {
        var etcd = ServerProcess.Start(sandbox, "etcd", etcdFolder, new ServerCommand(Program("etcd"),
            "--data-dir", Path.Combine(etcdFolder, "data"), "--listen-client-urls", $"http://127.0.0.1:{etcdPort}",
            "--advertise-client-urls", $"http://127.0.0.1:{etcdPort}",
            "--listen-peer-urls", $"http://127.0.0.1:{etcdPeerPort}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{etcdPeerPort}",
            "--initial-cluster", $"default=http://127.0.0.1:{etcdPeerPort}",
            "--unsafe-no-fsync"));   // kill -9 of a process loses nothing without it
        using var http = new HttpClient();
        await etcd.WaitUntil(async ct =>
        {
            using var health = await http.GetAsync(new Uri($"http://127.0.0.1:{etcdPort}/health"), ct);
            return health.IsSuccessStatusCode;
        });
    }

    private static string Program(string name)
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named
            ? named
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        string?[] folders = [Environment.GetEnvironmentVariable("KUBEBUILDER_ASSETS"), Path.Combine(cache, "kuik/kubernetes-1.20.2/bin"),
            "/usr/bin", "/usr/local/bin"];
        return folders.Where(folder => folder is not null).Select(folder => Path.Combine(folder!, name)).FirstOrDefault(File.Exists)
            ?? throw new ServerFailedException($"there is no {name}: run tests/Kuik.Testing/install-servers, or set KUBEBUILDER_ASSETS");
    }

    private void WriteCredentials()
    {
        File.WriteAllText(Path.Combine(folder, "ca.crt"), authority.Pem);
        authority.Issue("CN=kube-apiserver", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1",
            "10.96.0.1").WriteTo(folder, "server");
        using var accounts = RSA.Create(2048);
        File.WriteAllText(Path.Combine(folder, "accounts.key"), accounts.ExportRSAPrivateKeyPem());
        File.WriteAllText(Path.Combine(folder, "audit.yaml"), """
            apiVersion: audit.k8s.io/v1
            kind: Policy
            omitStages: [RequestReceived]
            rules:
            - level: Metadata
              userGroups: ["system:serviceaccounts"]
            - level: None

            """);
        var admin = authority.Issue("O=system:masters, CN=admin");
        admin.WriteTo(folder, "admin");
        File.WriteAllText(Kubeconfig, $$"""
            apiVersion: v1
            kind: Config
            current-context: kuik
            clusters:
            - name: kuik
              cluster:
                server: https://127.0.0.1:{{port}}
                certificate-authority-data: {{Base64(authority.Pem)}}
            users:
            - name: admin
              user:
                client-certificate-data: {{Base64(admin.Certificate)}}
                client-key-data: {{Base64(admin.Key)}}
            contexts:
            - name: kuik
              context: {cluster: kuik, user: admin}

            """);
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
