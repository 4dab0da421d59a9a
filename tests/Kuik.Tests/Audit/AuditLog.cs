using System.Text.Json;
using Kuik.Contracts;
using Kuik.EventLog.Audit;

namespace Kuik.Tests.Audit;

/// <summary>Events as the log would hold them: one a minute, from noon on.</summary>
internal static class AuditLog
{
    public const string Nginx = "docker.io/library/nginx:1.27";
    public const string Uid = "0b2f";
    public const string Digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    public static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly RequestedByPod Requested = new(Nginx, "nginx:1.27", Uid, Noon);

    public static readonly ImageFetchStarted Started = new(Nginx, "fetcher-1", Noon.AddMinutes(2), Noon) { Attempt = 1 };

    public static readonly ImageCached Cached = new(
        Nginx, Digest, "m", ["linux/amd64"], [], 59_034_828, 1024, 0, TimeSpan.FromSeconds(3), Noon.AddMinutes(2))
    { Attempt = 1 };

    public static readonly ImageFetchFailed Failed = new(
        Nginx, "rate-limited", "docker.io refused more pulls", true, Noon.AddMinutes(9), Noon.AddMinutes(2))
    {
        Attempt = 1,
        OriginStatus = 429
    };

    public static readonly PodObserved Pod = new(Uid, "web", "front-1", [new PodImage("app", Nginx, "nginx:1.27")], ["regcred"], Noon)
    {
        Node = "node-1",
        OwnerKind = "Deployment",
        OwnerName = "front",
    };

    public static readonly PodGone Gone = new(Uid, "web", "front-1", [Nginx], Noon) { Reason = "Deleted" };

    public static RecordedEvent Recorded(object fact, long sequence = 1, long version = 1) => new(
        sequence, Guid.NewGuid(), StreamOf(fact), version, fact.GetType().Name, Noon.AddMinutes(sequence),
        JsonSerializer.Serialize(fact, fact.GetType(), FactReader.Json))
    {
        Fact = fact,
        Headers = """{"service": "image-fetcher", "replica": "fetcher-1-00000000", "version": "0.1.0"}""",
    };

    /// <summary>A log of these events.</summary>
    public static IReadOnlyList<RecordedEvent> Log(params object[] facts)
    {
        var versions = new Dictionary<string, long>();
        return [.. facts.Select((fact, index) =>
            Recorded(fact, index + 1, versions[StreamOf(fact)] = versions.GetValueOrDefault(StreamOf(fact)) + 1))];
    }

    public static ReplayedState Replay(params object[] facts)
    {
        var state = new ReplayedState();
        foreach (var one in Log(facts))
            state.Apply(one);
        return state;
    }

    public static ImageRecord Image(params object[] facts) => Replay(facts).Images[Nginx];

    private static string StreamOf(object fact) => fact switch
    {
        PodObserved e => StreamName.OfPod(e.PodUid),
        PodGone e => StreamName.OfPod(e.PodUid),
        WorkloadObserved e => StreamName.OfWorkload(e.WorkloadUid),
        WorkloadGone e => StreamName.OfWorkload(e.WorkloadUid),
        _ => StreamName.OfImage(Nginx),
    };
}
