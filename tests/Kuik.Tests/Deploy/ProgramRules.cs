using k8s.Models;

namespace Kuik.Tests.Deploy;

/// <summary>
/// The programs that containers are started and probed with are in their images. Those of other projects are known here from how they are
/// made; ours are chiseled: they have their own program and no shell.
/// </summary>
internal static class ProgramRules
{
    private static readonly Dictionary<string, string[]> Programs = new()
    {
        // From alpine, with /bin/registry (distribution/distribution-library-image).
        ["registry"] = ["cp", "grep", "mkdir", "mv", "rm", "sh", "sleep", "test"],
        ["postgres"] = ["pg_isready"],
    };

    /// <summary>A sentence for each one of which that is not known.</summary>
    public static IEnumerable<string> Problems(ManifestSet set) =>
        from pods in set.Pods
        from container in pods.Containers
        let image = container.Image.Split('@')[0].Split('/')[^1].Split(':')[0]
        from program in Of(container).Distinct().Except(Programs.GetValueOrDefault(image) ?? [])
        select $"{container.Name} of {pods.Owner} runs {program}, which is not known to be in {container.Image}";

    private static IEnumerable<string> Of(V1Container container)
    {
        var probes = new[] { container.LivenessProbe, container.ReadinessProbe, container.StartupProbe }.Select(probe => probe?.Exec);
        var hooks = new[] { container.Lifecycle?.PreStop, container.Lifecycle?.PostStart }.Select(hook => hook?.Exec);
        return probes.Concat(hooks).Select(exec => exec?.Command).Append(container.Command)
            .OfType<IList<string>>().Select(command => command[0]);
    }
}
