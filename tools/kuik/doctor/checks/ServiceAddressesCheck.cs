using System.Net;

namespace Kuik.CommandLine.Doctor.Checks;

/// <summary>
/// Checks that node-proxy has the current addresses of the Services of the cache and of image-fetcher
/// (docs/decisions/0008-node-proxy-addresses.md).
/// </summary>
internal sealed class ServiceAddressesCheck : Check
{
    private static readonly (string Key, string Service)[] ServiceKeys = [("cache", "kuik-registry-read"), ("fetcher", "kuik-image-fetcher")];

    /// <inheritdoc/>
    public override string Name => "service-addresses";

    /// <inheritdoc/>
    protected override IEnumerable<IReading> Needs(ClusterSnapshot cluster) => [cluster.Services, cluster.Endpoints];

    /// <inheritdoc/>
    protected override IEnumerable<Finding> Decide(ClusterSnapshot cluster)
    {
        if (cluster.Endpoints.Value is not { } text)
            yield return Warning(
                "the ConfigMap kuik-node-proxy-endpoints is not there, so node-proxy keeps the addresses that it was started with",
                $"pod-watcher writes it; its log says what keeps it: kubectl -n {cluster.Namespace} logs deployment/kuik-pod-watcher.");
        foreach (var (key, name) in ServiceKeys)
        {
            var now = AddressOf(cluster.Services.Value.FirstOrDefault(service => service.Metadata.Name == name));
            if (now is null)
                yield return Error($"the Service {name} is not there, or has no address", "Apply the overlay again (kubectl apply -k).");
            else if (cluster.Endpoints.Value is { } lines && AddressIn(lines, key) is var known && !now.Equals(known))
                yield return Error(
                    $"node-proxy is told that {name} is at {(object?)known ?? "no address"}, and it is at {now}",
                    $"pod-watcher follows it within 15 s; its log says what keeps it: kubectl -n {cluster.Namespace} logs "
                        + "deployment/kuik-pod-watcher.");
        }
    }

    /// <inheritdoc/>
    protected override string Describe(ClusterSnapshot cluster) => "node-proxy knows the addresses of the cache and of image-fetcher";

    private static IPEndPoint? AddressOf(Service? service) =>
        service?.Spec is { ClusterIP: { } text, Ports: [var port, ..] } && IPAddress.TryParse(text, out var address)
            ? new IPEndPoint(address, port.Port) : null;

    private static IPEndPoint? AddressIn(string lines, string key)
    {
        var line = lines.Split('\n').FirstOrDefault(line => line.StartsWith(key + "=", StringComparison.Ordinal));
        return Uri.TryCreate(line?[(key.Length + 1)..].Trim(), UriKind.Absolute, out var uri)
            && IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address)
            ? new IPEndPoint(address, uri.Port)
            : null;
    }
}
