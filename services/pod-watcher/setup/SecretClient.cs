using System.Net;
using System.Text;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Reads and writes Secrets of Kuik's namespace. A write is bound to the version that was read: of several concurrent ones one succeeds,
/// and the others are refused with <c>Conflict</c> and read again.
/// </summary>
/// <exception cref="KubernetesApiException">The API refused.</exception>
/// <exception cref="HttpRequestException">The API is unreachable.</exception>
internal sealed class SecretClient(KubernetesApi api, SetupOptions options)
{
    private const int MaxAttempts = 10;

    private string Path => $"api/v1/namespaces/{options.Namespace}/secrets";

    /// <summary>Runs a pass of reads and writes, again after a conflict, at most ten times.</summary>
    /// <exception cref="KubernetesApiException">The API refused, the tenth time with <c>Conflict</c>.</exception>
    public static async Task<T> RetryOnConflict<T>(Func<Task<T>> pass)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await pass();
            }
            catch (KubernetesApiException refusal) when (refusal.Status == HttpStatusCode.Conflict && attempt < MaxAttempts)
            {
                // The other writer's version is read.
            }
        }
    }

    /// <summary>Reads a Secret; without a version when it does not exist.</summary>
    public async Task<StoredSecret> Read(string name, CancellationToken ct) =>
        await api.TryGet($"{Path}/{name}", SetupJson.Default.Secret, ct) is not { } secret
            ? new StoredSecret(null, new Dictionary<string, string>())
            : new StoredSecret(
                secret.Metadata.ResourceVersion,
                (secret.Data ?? new Dictionary<string, string>())
                    .ToDictionary(one => one.Key, one => Encoding.UTF8.GetString(Convert.FromBase64String(one.Value))));

    /// <summary>Creates a Secret that did not exist when it was read, or sets these keys in the version that was read.</summary>
    /// <param name="template">Its name, and the other fields of a new one.</param>
    /// <param name="read">The result of the read.</param>
    /// <param name="data">By key, not encoded. Other keys stay.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task Write(SecretTemplate template, StoredSecret read, IReadOnlyDictionary<string, string> data, CancellationToken ct)
    {
        var encoded = data.ToDictionary(one => one.Key, one => Convert.ToBase64String(Encoding.UTF8.GetBytes(one.Value)));
        if (read.Version is null)
        {
            var meta = new ObjectMeta { Name = template.Name, Namespace = options.Namespace, Labels = template.Labels };
            await api.Create(Path, new Secret("v1", "Secret", meta, template.Type, encoded), SetupJson.Default.Secret, ct);
            return;
        }
        var patch = new Secret(null, null, new ObjectMeta { ResourceVersion = read.Version }, null, encoded);
        await api.Merge($"{Path}/{template.Name}", patch, SetupJson.Default.Secret, ct);
    }
}
