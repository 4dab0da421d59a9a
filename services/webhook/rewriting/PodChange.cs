using System.Text.Json;

namespace Kuik.Webhook;

/// <summary>A pod about to be created or changed, as the AdmissionReview has it.</summary>
/// <param name="Operation"><c>CREATE</c> or <c>UPDATE</c>; others are left alone.</param>
/// <param name="SubResource">Empty, or <c>ephemeralcontainers</c>; others are left alone.</param>
/// <param name="Pod">The pod as it would become: raw JSON, since no library of ours knows all of a newer Kubernetes' fields.</param>
/// <param name="OldPod">The pod as it is; null on CREATE.</param>
public sealed record PodChange(string Operation, string SubResource, JsonElement? Pod, JsonElement? OldPod)
{
    /// <summary>The <c>traceparent</c> that a created pod with rewritten images is to carry; null for none.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The <c>request</c> of an AdmissionReview; missing members are left empty.</summary>
    public static PodChange From(JsonElement? request) => new(
        request.Member("operation").Text() ?? "", request.Member("subResource").Text() ?? "", request.Member("object"),
        request.Member("oldObject"));
}
