using k8s;
using k8s.KubeConfigModels;
using YamlDotNet.Serialization;

namespace Kuik.Kubernetes;

/// <summary>
/// Reads a kubeconfig file. KubernetesClient's own reader describes every type of the API to itself first, which costs 15 MB for the life
/// of the process.
/// </summary>
public static class Kubeconfig
{
    /// <summary>The configuration of a client for a context of the file.</summary>
    /// <param name="path">Path of the file; paths in it are relative to its folder.</param>
    /// <param name="context">The context's name; null for the current one.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="YamlDotNet.Core.YamlException">The file is not YAML.</exception>
    /// <exception cref="k8s.Exceptions.KubeConfigException">The file is incomplete.</exception>
    public static KubernetesClientConfiguration Read(string path, string? context = null) =>
        KubernetesClientConfiguration.BuildConfigFromConfigObject(Load(path), context);

    /// <summary>The contents of the file. Throws as <see cref="Read"/> does.</summary>
    public static K8SConfiguration Load(string path)
    {
        using var text = File.OpenText(path);
        var config = new DeserializerBuilder().IgnoreUnmatchedProperties().Build().Deserialize<K8SConfiguration?>(text)
            ?? new K8SConfiguration();
        config.FileName = Path.GetFullPath(path);
        return config;
    }
}
