using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>
/// An Event of the core API group: <c>kubectl describe</c> lists these, by the uid of the object that they are about, and shows
/// <see cref="Count"/> (docs/decisions/0019-kubernetes-events.md). Null is "absent".
/// </summary>
internal sealed record KubernetesEvent
{
    /// <summary>The namespace of Events about cluster-scoped objects; the API accepts no other one.</summary>
    public const string NamespaceOfCluster = "default";

    private const int LongestName = 253;
    private const int DigestLength = 16;

    public string ApiVersion { get; init; } = "v1";

    public string Kind { get; init; } = "Event";

    public required ObjectMeta Metadata { get; init; }

    public ObjectReference? InvolvedObject { get; init; }

    /// <summary>One word, for example <c>RateLimited</c>.</summary>
    public string? Reason { get; init; }

    /// <summary>One sentence.</summary>
    public string? Message { get; init; }

    /// <summary><c>Normal</c> or <c>Warning</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The number of occurrences.</summary>
    public int? Count { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? FirstTimestamp { get; init; }

    [JsonConverter(typeof(KubernetesTime))]
    public DateTimeOffset? LastTimestamp { get; init; }

    public EventSource? Source { get; init; }

    /// <summary>True when it is written once; otherwise each later <see cref="LastTimestamp"/> updates the same object.</summary>
    [JsonIgnore]
    public bool IsOnce { get; init; }

    /// <summary>The API path of the Events of a namespace.</summary>
    public static string PathOf(string @namespace) => $"api/v1/namespaces/{@namespace}/events";

    /// <summary>A name derived from the cause, so that after a restart, or by another leader, the Event is found and not written
    /// twice.</summary>
    /// <param name="about">The name of the object that it is about.</param>
    /// <param name="uid">Its uid.</param>
    /// <param name="cause">Distinguishes Events about the same object.</param>
    public static string NameOf(string about, string uid, string cause)
    {
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{uid}\n{cause}")))[..DigestLength];
        return $"{about[..Math.Min(about.Length, LongestName - DigestLength - 1)].TrimEnd('-', '.')}.{digest}";
    }
}

/// <summary>The object that an Event is about.</summary>
/// <param name="ApiVersion">For example <c>v1</c>.</param>
/// <param name="Kind">For example <c>Pod</c>.</param>
/// <param name="Namespace">Null for a cluster-scoped object.</param>
/// <param name="Name">Its name.</param>
/// <param name="Uid">Its uid.</param>
internal sealed record ObjectReference(string ApiVersion, string Kind, string? Namespace, string Name, string Uid);

/// <summary>The writer of an Event.</summary>
/// <param name="Component">For example <c>kuik</c>.</param>
internal sealed record EventSource(string Component);
