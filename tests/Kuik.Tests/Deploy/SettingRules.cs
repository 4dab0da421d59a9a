using k8s.Models;
using Kuik.Tests.Docs;

namespace Kuik.Tests.Deploy;

/// <summary>Every setting of Kuik is one that a service reads.</summary>
internal static class SettingRules
{
    private static readonly string[] Sections = ["Kuik:", "ConnectionStrings:"];

    private static readonly Lazy<string> Source = new(() => SourceText.Of("services", "shared"));

    /// <summary>A sentence for each other name of a variable or of a ConfigMap's key.</summary>
    public static IEnumerable<string> Problems(ManifestSet set)
    {
        var variables = set.Pods.SelectMany(pods => pods.Containers).SelectMany(container => container.Env ?? [])
            .Select(variable => variable.Name);
        return variables.Concat(set.All<V1ConfigMap>().SelectMany(map => map.Data?.Keys ?? [])).Distinct()
            .Where(name => !IsRead(SettingOf(name))).Select(name => $"{name} is a setting that no service reads");
    }

    private static bool IsRead(string setting) =>
        !Sections.Any(section => setting.StartsWith(section, StringComparison.OrdinalIgnoreCase))
        || Source.Value.Contains($"\"{setting}\"", StringComparison.OrdinalIgnoreCase);

    // The entry of a list, as in Kuik__Platforms__0, is of the setting without its number.
    private static string SettingOf(string variable)
    {
        var setting = variable.Replace("__", ":", StringComparison.Ordinal);
        var parent = setting[..Math.Max(setting.LastIndexOf(':'), 0)];
        return int.TryParse(setting.AsSpan(Math.Min(parent.Length + 1, setting.Length)), out _) ? parent : setting;
    }
}
