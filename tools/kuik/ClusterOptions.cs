using System.CommandLine;
using k8s;
using k8s.Exceptions;
using Kuik.Hosting;
using Kuik.Kubernetes;

namespace Kuik.CommandLine;

/// <summary>The options of every command that talks to a cluster, named as those of kubectl.</summary>
internal sealed class ClusterOptions
{
    /// <summary>For interactive use: 10 s until a response begins, 10 s without a byte, a minute for a list.</summary>
    private static readonly KubernetesLimits Limits = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1));

    private readonly Option<string?> _kubeconfig = new("--kubeconfig")
    {
        Description = "Path of a kubeconfig file. Default: KUBECONFIG, else ~/.kube/config, else the pod's own ServiceAccount",
        HelpName = "file",
    };

    private readonly Option<string?> _context = new("--context")
    {
        Description = "Context of the kubeconfig file. Default: its current one",
        HelpName = "name",
    };

    private readonly Option<string> _namespace = new("--namespace", "-n")
    {
        Description = "Namespace of Kuik",
        HelpName = "name",
        DefaultValueFactory = _ => "kuik-system",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_kubeconfig);
        command.Options.Add(_context);
        command.Options.Add(_namespace);
    }

    /// <summary>Kuik's namespace.</summary>
    public string NamespaceOf(ParseResult arguments) => arguments.GetValue(_namespace)!;

    /// <summary>A client for the cluster. Sends no request yet.</summary>
    /// <exception cref="InvalidSettingException">There is no usable kubeconfig file, and the process runs outside of a cluster.</exception>
    public KubernetesApi Connect(ParseResult arguments) => new(new k8s.Kubernetes(Configure(arguments)), Limits);

    /// <summary>Address and credentials of the cluster.</summary>
    /// <inheritdoc cref="Connect"/>
    public KubernetesClientConfiguration Configure(ParseResult arguments)
    {
        var (given, context) = (arguments.GetValue(_kubeconfig), arguments.GetValue(_context));
        try
        {
            return Read(given, context);
        }
        catch (Exception fault) when (fault is KubeConfigException or IOException or YamlDotNet.Core.YamlException or FormatException)
        {
            throw new InvalidSettingException("KUBECONFIG", given ?? Variable,
                $"the path of a kubeconfig file, or unset in a pod with a ServiceAccount ({fault.Message})");
        }
    }

    private static string? Variable => Environment.GetEnvironmentVariable("KUBECONFIG") is { Length: > 0 } files ? files : null;

    private static KubernetesClientConfiguration Read(string? given, string? context)
    {
        if (given is not null)
            return Kubeconfig.Read(given, context);
        var files = (Variable ?? Usual).Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(File.Exists).ToList();
        if (files.Count == 0)
            return Variable is null
                ? KubernetesClientConfiguration.InClusterConfig()
                : throw new FileNotFoundException("there is no such file");
        if (context is null)
            return files.Count == 1 ? Kubeconfig.Read(files[0])
                : KubernetesClientConfiguration.BuildDefaultConfig();
        var file = files.FirstOrDefault(file => Kubeconfig.Load(file)
            .Contexts?.Any(one => one.Name == context) == true);
        return Kubeconfig.Read(file ?? files[0], context);
    }

    private static string Usual => Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config");
}
