namespace Kuik.Bench.Scale;

/// <summary>The size of the cluster, and the time for which pods come and go.</summary>
/// <param name="Pods">PODS: alive at any time. Default 100,000.</param>
/// <param name="Images">IMAGES: different images of the pods' own containers; each pod has one sidecar beside, of the same image in all.
/// Default 20,000.</param>
/// <param name="Duration">DURATION, in seconds: of each load. Default 5 minutes.</param>
/// <param name="WarmUp">WARM_UP, in seconds: the same load before each, which is not measured: services that have just started compile
/// their code while events wait. Default 60.</param>
/// <param name="Rate">RATE: pod events a second, half of them new pods. Default 500.</param>
internal sealed record ScaleOptions(int Pods, int Images, TimeSpan Duration, TimeSpan WarmUp, int Rate)
{
    /// <summary>The image that every pod has beside its own.</summary>
    public const string Sidecar = "docker.io/fluent/fluent-bit:2";

    private const int Namespaces = 200;

    public static ScaleOptions Read() =>
        new(Setting.Number("PODS", 100_000), Setting.Number("IMAGES", 20_000), TimeSpan.FromSeconds(Setting.Number("DURATION", 300)),
            TimeSpan.FromSeconds(Setting.Number("WARM_UP", 60)), Setting.Number("RATE", 500));

    /// <summary>An image of pods' own.</summary>
    public static string Image(int number) => $"registry.example.com/team-{number % Namespaces}/service-{number}:1.2.{number % 50}";

    public static string Namespace(int number) => $"team-{number % Namespaces}";
}
