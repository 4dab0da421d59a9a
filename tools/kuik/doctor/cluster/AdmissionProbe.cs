using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Kubernetes;

namespace Kuik.CommandLine.Doctor;

/// <summary>Creates pods as a dry run: admission runs, and nothing is stored.</summary>
/// <param name="api">The cluster.</param>
/// <param name="image">The image of the pod.</param>
/// <param name="space">Its namespace; null: one that the webhook is called for.</param>
internal sealed class AdmissionProbe(KubernetesApi api, string image, string? space)
{
    private const int Attempts = 3;

    /// <summary>Probes both pods.</summary>
    /// <param name="usual">The namespace to take if none was chosen.</param>
    /// <param name="ct">Cancels it.</param>
    /// <exception cref="KubernetesApiException">Permission to create pods is missing, or another failure.</exception>
    /// <exception cref="HttpRequestException">The API does not answer.</exception>
    public async Task<Admission> Ask(string usual, CancellationToken ct)
    {
        var where = space ?? usual;
        var rewritten = await Create(where, optsOut: false, ct);
        for (var attempt = 1; attempt < Attempts && rewritten is { WasSeen: false, Denial: null }; attempt++)
            rewritten = await Create(where, optsOut: false, ct);   // one call may have exceeded the webhook's time limit
        return new Admission(where, image, rewritten, await Create(where, optsOut: true, ct));
    }

    private async Task<AdmittedPod> Create(string where, bool optsOut, CancellationToken ct)
    {
        try
        {
            var pod = await api.Create($"api/v1/namespaces/{where}/pods?dryRun=All", NewPod(optsOut), DoctorJson.Default.JsonObject, ct);
            var container = pod["spec"]?["containers"]?[0];
            return new AdmittedPod(
                (string?)container?["image"] ?? "", (string?)container?["imagePullPolicy"] ?? "",
                (string?)pod["metadata"]?["labels"]?[Names.ManagedLabel] == "true", null);
        }
        catch (KubernetesApiException refusal) when (IsDenial(refusal))
        {
            return new AdmittedPod("", "", false, refusal.Message);
        }
    }

    // RBAC's refusal has the same status as a denial; other webhooks deny with any status below 500.
    private static bool IsDenial(KubernetesApiException refusal) =>
        (int)refusal.Status is >= 400 and < 500 and not 401 and not 404 and not 429
        && !refusal.Message.Contains("cannot create resource", StringComparison.Ordinal);

    // The fields that the Pod Security Standard "restricted" and quotas require.
    private JsonObject NewPod(bool optsOut) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Pod",
        ["metadata"] = new JsonObject
        {
            ["name"] = "kuik-doctor-" + Guid.NewGuid().ToString("n")[..8],
            ["labels"] = optsOut ? new JsonObject { [Names.PolicyLabel] = "ignore" } : [],
        },
        ["spec"] = new JsonObject
        {
            ["securityContext"] = new JsonObject
            {
                ["runAsNonRoot"] = true,
                ["runAsUser"] = 65532,
                ["seccompProfile"] = new JsonObject { ["type"] = "RuntimeDefault" },
            },
            ["containers"] = new JsonArray(new JsonObject
            {
                ["name"] = "probe",
                ["image"] = image,
                ["imagePullPolicy"] = "IfNotPresent",
                ["resources"] = new JsonObject { ["requests"] = Smallest(), ["limits"] = Smallest() },
                ["securityContext"] = new JsonObject
                {
                    ["allowPrivilegeEscalation"] = false,
                    ["capabilities"] = new JsonObject { ["drop"] = new JsonArray("ALL") },
                },
            }),
        },
    };

    private static JsonObject Smallest() => new() { ["cpu"] = "10m", ["memory"] = "16Mi" };
}
