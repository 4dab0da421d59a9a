using System.Text;
using System.Text.Json.Nodes;

namespace Kuik.Bench.Admission;

/// <summary>Writes AdmissionReviews of pods as a Deployment's are, with what a usual container brings.</summary>
internal static class ReviewOf
{
    /// <summary>A review of a new pod with so many containers, each with an image of its own that is rewritten.</summary>
    public static byte[] Pod(int containers) => Encoding.UTF8.GetBytes(new JsonObject
    {
        ["kind"] = "AdmissionReview",
        ["apiVersion"] = "admission.k8s.io/v1",
        ["request"] = new JsonObject
        {
            ["uid"] = "705ab4fa-5f0e-4a57-9d2f-0c4b1e7a9188",
            ["kind"] = new JsonObject { ["group"] = "", ["version"] = "v1", ["kind"] = "Pod" },
            ["resource"] = new JsonObject { ["group"] = "", ["version"] = "v1", ["resource"] = "pods" },
            ["namespace"] = "shop",
            ["operation"] = "CREATE",
            ["userInfo"] = new JsonObject { ["username"] = "system:serviceaccount:kube-system:replicaset-controller" },
            ["object"] = new JsonObject
            {
                ["kind"] = "Pod",
                ["apiVersion"] = "v1",
                ["metadata"] = new JsonObject
                {
                    ["generateName"] = "web-6d9f7c8b5-",
                    ["namespace"] = "shop",
                    ["labels"] = new JsonObject { ["app"] = "web", ["pod-template-hash"] = "6d9f7c8b5" },
                    ["managedFields"] = new JsonArray(new JsonObject
                    { ["manager"] = "kube-controller-manager", ["operation"] = "Update", ["fieldsV1"] = Fields(containers) }),
                },
                ["spec"] = new JsonObject
                {
                    ["containers"] = new JsonArray([.. Enumerable.Range(0, containers).Select(Container)]),
                    ["restartPolicy"] = "Always",
                    ["serviceAccountName"] = "default"
                },
                ["status"] = new JsonObject(),
            },
            ["oldObject"] = null,
            ["dryRun"] = false,
            ["options"] = new JsonObject { ["kind"] = "CreateOptions", ["apiVersion"] = "meta.k8s.io/v1" },
        },
    }.ToJsonString());

    private static JsonNode Container(int number) => new JsonObject
    {
        ["name"] = $"worker-{number}",
        ["image"] = $"registry.example.com:5000/team/worker-{number}:2.{number}.0",
        ["imagePullPolicy"] = "IfNotPresent",
        ["ports"] = new JsonArray(new JsonObject { ["containerPort"] = 8000 + number, ["protocol"] = "TCP" }),
        ["env"] = new JsonArray(
            [.. Enumerable.Range(0, 4)
                .Select(i => new JsonObject { ["name"] = $"SETTING_{i}", ["value"] = $"value {i} of worker {number}" })]),
        ["resources"] = new JsonObject
        {
            ["limits"] = new JsonObject { ["memory"] = "256Mi" },
            ["requests"] = new JsonObject { ["cpu"] = "100m", ["memory"] = "128Mi" }
        },
        ["volumeMounts"] = new JsonArray(new JsonObject
        { ["name"] = "kube-api-access-x7x2p", ["readOnly"] = true, ["mountPath"] = "/var/run/secrets/kubernetes.io/serviceaccount" }),
        ["terminationMessagePath"] = "/dev/termination-log",
        ["terminationMessagePolicy"] = "File",
    };

    private static JsonObject Fields(int containers) => new()
    {
        ["f:spec"] = new JsonObject
        {
            ["f:containers"] = new JsonObject(Enumerable.Range(0, containers).Select(number => KeyValuePair.Create(
                $"k:{{\"name\":\"worker-{number}\"}}",
                (JsonNode?)new JsonObject
                {
                    ["."] = new JsonObject(),
                    ["f:env"] = new JsonObject(),
                    ["f:image"] = new JsonObject(),
                    ["f:imagePullPolicy"] = new JsonObject(),
                    ["f:name"] = new JsonObject(),
                    ["f:resources"] = new JsonObject()
                }))),
        },
    };
}
