using k8s;
using k8s.Exceptions;
using Kuik.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Kuik.Kubernetes;

/// <summary>
/// Registers the connection to the Kubernetes API: from the file in <c>KUBECONFIG</c>, otherwise as a pod in its cluster.
/// </summary>
public static class KubernetesAccess
{
    /// <summary>Adds the client and <see cref="KubernetesApi"/>. Sends no request yet.</summary>
    /// <exception cref="InvalidSettingException">KUBECONFIG names no usable file, or is not set outside a cluster.</exception>
    public static IHostApplicationBuilder AddKuikKubernetes(this IHostApplicationBuilder builder)
    {
        var settings = Read(builder.Configuration["KUBECONFIG"]);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<IKubernetes>(_ => Connect(settings));
        builder.Services.AddSingleton(services => new KubernetesApi((k8s.Kubernetes)services.GetRequiredService<IKubernetes>()));
        return builder;
    }

    /// <summary>A client for the cluster of a kubeconfig file.</summary>
    /// <param name="kubeconfig">Path of the file.</param>
    /// <exception cref="InvalidSettingException">The file is missing or invalid.</exception>
    public static k8s.Kubernetes Connect(string kubeconfig) => Connect(Read(kubeconfig));

    private static KubernetesClientConfiguration Read(string? kubeconfig)
    {
        try
        {
            return string.IsNullOrEmpty(kubeconfig)
                ? KubernetesClientConfiguration.InClusterConfig()
                : Kubeconfig.Read(kubeconfig);
        }
        catch (Exception fault) when (fault is KubeConfigException or IOException or YamlDotNet.Core.YamlException)
        {
            throw new InvalidSettingException("KUBECONFIG", kubeconfig,
                $"the path of a kubeconfig file, or unset in a pod with a service account ({fault.Message})");
        }
    }

    private static k8s.Kubernetes Connect(KubernetesClientConfiguration settings)
    {
        // The API server is never behind the proxy for image pulls, and .NET does not support CIDRs in no_proxy.
        settings.FirstMessageHandlerSetup = handler => handler.UseProxy = false;
        return new k8s.Kubernetes(settings);
    }
}
