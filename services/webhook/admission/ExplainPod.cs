using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Webhook;

/// <summary>
/// <c>POST /mutate-core-v1-pod?explain</c>: a Pod or an AdmissionReview in, and the decision about each image with its reason out, for a
/// person. Nothing is changed, and nothing about the pod is counted or logged. A bare Pod is looked at as if it were about to be created.
/// </summary>
internal static class ExplainPod
{
    // For a terminal, not for a page: an image's name is shown as it is.
    private static readonly JsonWriterOptions ForPeople = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The request that a body stands for; null if it is neither a Pod nor an AdmissionReview.</summary>
    public static PodChange? Read(JsonElement? body) => body.Member("kind").Text() switch
    {
        "Pod" => new PodChange("CREATE", "", body, null),
        "AdmissionReview" => PodChange.From(body.Member("request")),
        _ => null,
    };

    /// <summary>The answer.</summary>
    public static ReadOnlyMemory<byte> Say(PodDecision decision)
    {
        var answer = new JsonObject();
        if (decision.LeftAlone is { } reason)
            answer["leftAlone"] = reason;
        answer["containers"] = new JsonArray([.. decision.Containers.Select(Say)]);
        return RawJson.Write(json => answer.WriteTo(json), ForPeople);
    }

    private static JsonNode Say(ImageDecision decision)
    {
        var answer = new JsonObject
        { ["name"] = decision.Container.Name, ["in"] = decision.Container.List, ["image"] = decision.Container.Image };
        answer[decision.Image is null ? "stays" : "becomes"] = decision.Image ?? decision.Why;
        return answer;
    }
}
