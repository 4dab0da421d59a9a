using System.Text.Json;
using Kuik.Kubernetes;
using Xunit;

namespace Kuik.Tests.Kubernetes;

public sealed class KubernetesTimeTests
{
    [Theory]
    [InlineData("\"2026-01-31T12:00:00Z\"", "2026-01-31T12:00:00Z")]
    [InlineData("\"2026-01-31T12:00:00.123456Z\"", "2026-01-31T12:00:00Z")]
    [InlineData("\"2026-01-31T14:00:00+02:00\"", "2026-01-31T12:00:00Z")]
    [InlineData("\"2026-01-31t12:00:00z\"", "2026-01-31T12:00:00Z")]
    [InlineData("\"2026-01-31T12:00:00+99:00\"", null)]
    [InlineData("\"0000-01-31T12:00:00Z\"", null)]
    [InlineData("\"next week\"", null)]
    [InlineData("17", null)]
    [InlineData("{\"a\":[1]}", null)]
    [InlineData("null", null)]
    public void A_time_that_a_person_wrote_in_an_odd_way_does_not_end_the_list_it_is_in(string written, string? read)
    {
        var list = $$$"""{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"},"spec":{"expiresAt":{{{written}}},"sourceImage":"a:1"}}]}""";

        var image = JsonSerializer.Deserialize(list, KubernetesJson.Default.ResourceListCachedImage)!.Items![0];

        Assert.Equal("a:1", image.Spec!.SourceImage);
        Assert.Equal(read, image.Spec.ExpiresAt?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));
    }
}
