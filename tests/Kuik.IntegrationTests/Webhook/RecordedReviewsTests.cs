using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Kuik.Testing;
using Kuik.Webhook;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace Kuik.IntegrationTests.Webhook;

/// <summary>
/// Pods of every kind that makes pods, posted as its controller posts them to a real kube-apiserver, and what that sends to a webhook. The
/// folders are those of Kuik.Tests (Webhook/golden/recorded-…), which asks the webhook about the recordings; see the README there.
/// </summary>
public sealed partial class RecordedReviewsTests(ReviewRecorder recorder) : IClassFixture<ReviewRecorder>
{
    private const string ServiceAccount = "system:serviceaccount:kube-system:";
    private static readonly string Golden = Path.Combine(Checkout.Root, "tests/Kuik.Tests/Webhook/golden");

    [Theory]
    [InlineData("a-bare-pod")]
    [InlineData("a-pod-of-a-deployment", $"--as={ServiceAccount}replicaset-controller")]
    [InlineData("a-pod-of-a-replication-controller", $"--as={ServiceAccount}replication-controller")]
    [InlineData("a-pod-of-a-stateful-set", $"--as={ServiceAccount}statefulset-controller")]
    [InlineData("a-pod-of-a-daemon-set", $"--as={ServiceAccount}daemon-set-controller")]
    [InlineData("a-pod-of-a-job", $"--as={ServiceAccount}job-controller")]
    [InlineData("a-pod-of-a-cron-job", $"--as={ServiceAccount}job-controller")]
    [InlineData("a-static-pod", "--as=system:node:node-1", "--as-group=system:nodes")]
    public async Task What_this_API_server_sends_is_decided_as_the_recording_is(string kind, params string[] asWhom)
    {
        var folder = Path.Combine(Golden, "recorded-" + kind);
        var expected = JsonNode.Parse(
            await File.ReadAllTextAsync(Path.Combine(folder, "expected.json"), TestContext.Current.CancellationToken))!;

        var review = await recorder.Post(
            await File.ReadAllTextAsync(Path.Combine(folder, "posted.json"), TestContext.Current.CancellationToken), asWhom);

        if (Environment.GetEnvironmentVariable("KUIK_RECORD") == "1")
            await File.WriteAllTextAsync(Path.Combine(folder, "review.json"), Anonymous(review), TestContext.Current.CancellationToken);
        var request = JsonSerializer.SerializeToElement(review["request"]);
        var decision = RewritePod.Decide(PodChange.From(request), RewriteOptions.From(new ConfigurationBuilder().Build()));
        Assert.True(JsonNode.DeepEquals(expected["patch"], decision.Patch),
            $"expected {expected["patch"]!.ToJsonString()}\nbut got {decision.Patch.ToJsonString()}");
        Assert.Equal((string?)expected["leftAlone"], decision.LeftAlone);
    }

    private string Anonymous(JsonNode review)
    {
        var text = review.ToJsonString(new JsonSerializerOptions { WriteIndented = true })
            .Replace(recorder.Namespace, "shop", StringComparison.Ordinal);
        text = Identifier().Replace(text, "f2c0a8de-7d8c-4b7d-8f6e-1a2b3c4d5e6f");
        return Time().Replace(text, "2026-02-03T10:11:12Z") + "\n";
    }

    [GeneratedRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")]
    private static partial Regex Identifier();

    [GeneratedRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")]
    private static partial Regex Time();
}
