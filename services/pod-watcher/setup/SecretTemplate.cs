namespace Kuik.PodWatcher.Setup;

/// <summary>The fields of a new Secret besides its data.</summary>
/// <param name="Name">In Kuik's namespace.</param>
/// <param name="Type"><c>Opaque</c> or <c>kubernetes.io/tls</c>.</param>
/// <param name="Labels">By key.</param>
internal sealed record SecretTemplate(string Name, string Type, IReadOnlyDictionary<string, string> Labels);
