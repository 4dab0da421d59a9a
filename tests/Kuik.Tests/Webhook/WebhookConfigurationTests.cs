using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Webhook;

/// <summary>The MutatingWebhookConfiguration as it is shipped.</summary>
public sealed partial class WebhookConfigurationTests
{
    private static readonly string Text =
        File.ReadAllText(Path.Combine(Checkout.Root, "deploy/kustomize/base/webhook/mutatingwebhookconfiguration.yaml"));

    [Fact]
    public void It_is_called_after_Istio_which_puts_the_image_in_the_place_of_auto()
    {
        // Kubernetes calls webhooks in the order of their configurations' names. Istio's are istio-sidecar-injector and
        // istio-revision-tag-….
        var name = Name().Match(Text).Groups[1].Value;

        Assert.True(string.CompareOrdinal(name, "istio-\uffff") > 0, $"{name} sorts before Istio's");
    }

    [Fact]
    public void Whatever_goes_wrong_with_it_pods_are_admitted()
    {
        Assert.Contains("failurePolicy: Ignore", Text, StringComparison.Ordinal);
        Assert.Contains("timeoutSeconds: 2", Text, StringComparison.Ordinal);
        Assert.Contains("reinvocationPolicy: IfNeeded", Text, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"(?m)^metadata:\n(?:  #.*\n)*  name: (\S+)$")]
    private static partial Regex Name();
}
