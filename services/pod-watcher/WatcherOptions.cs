using System.Globalization;
using Kuik.Hosting;

namespace Kuik.PodWatcher;

/// <summary>The options of pod-watcher.</summary>
/// <param name="Namespace">The namespace of the Lease, which has to exist: <c>Kuik:Namespace</c>, default <c>kuik-system</c>.</param>
/// <param name="ProxyPorts">The ports of node-proxy, which identify a rewritten image: <c>Kuik:Proxy:Port</c> (default 7439) and
/// <c>Kuik:Proxy:PreviousPorts</c>.</param>
/// <param name="LeaseDuration">The time after its last renewal after which another replica may take the Lease: <c>Kuik:LeaseDuration</c>,
/// default 15 s, at least 3 s.</param>
/// <param name="FollowsAllPods">
/// The pods that count as users: <c>Kuik:FollowedPods</c>, default <c>managed</c>, those that the webhook has rewritten; <c>all</c> (here
/// true): every pod except those with the label <c>kube-image-keeper.enix.io/image-caching-policy: ignore</c>, for nodes whose runtime
/// pulls through node-proxy as a mirror (docs/mirror-mode.md).
/// </param>
internal sealed record WatcherOptions(string Namespace, IReadOnlyCollection<int> ProxyPorts, TimeSpan LeaseDuration,
    bool FollowsAllPods = false)
{
    /// <summary>The kinds of workloads that can use the images of their pod templates.</summary>
    public static readonly IReadOnlyList<string> WorkloadKinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

    /// <summary>
    /// The kinds of workloads that count as users of images, besides pods: <c>Kuik:FollowedWorkloads</c>, default <c>none</c>; <c>all</c>,
    /// or some of <see cref="WorkloadKinds"/>, separated by commas. The recorded uses by other kinds are ended.
    /// </summary>
    public IReadOnlyList<string> FollowedWorkloads { get; init; } = [];

    /// <summary>
    /// The recorded size of the cache above which unused images leave it before their time, least recently used first:
    /// <c>Kuik:CacheLimit</c>, default none (null). Images in use and retained ones stay, whatever the limit.
    /// </summary>
    public long? CacheLimitInBytes { get; init; }

    /// <summary>Parses the options from the configuration.</summary>
    /// <exception cref="InvalidSettingException">A value is invalid.</exception>
    public static WatcherOptions From(IConfiguration configuration)
    {
        var port = configuration.Read("Kuik:Proxy:Port", 7439, "a port between 1 and 65535", IsPort);
        return new WatcherOptions(
            configuration.Read("Kuik:Namespace", "kuik-system", "the name of a namespace",
                name => name.Length <= 63 && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')),
            [port, .. configuration.ReadList("Kuik:Proxy:PreviousPorts").Select(PreviousPort)],
            configuration.Read("Kuik:LeaseDuration", TimeSpan.FromSeconds(15), "a duration of at least 3 seconds, for example 00:00:15",
                d => d >= TimeSpan.FromSeconds(3)),
            configuration["Kuik:FollowedPods"] switch
            {
                null or "" or "managed" => false,
                "all" => true,
                var other => throw new InvalidSettingException("Kuik:FollowedPods", other, "managed or all"),
            })
        {
            CacheLimitInBytes = configuration.ReadSize("Kuik:CacheLimit", 0) is > 0 and var limit ? limit : null,
            FollowedWorkloads = ReadWorkloads(configuration["Kuik:FollowedWorkloads"]),
        };
    }

    private static IReadOnlyList<string> ReadWorkloads(string? text)
    {
        if (text is null or "" or "none")
            return [];
        if (text is "all")
            return WorkloadKinds;
        string[] kinds = [.. text.Split(',', StringSplitOptions.TrimEntries).Distinct()];
        return kinds.All(WorkloadKinds.Contains)
            ? kinds
            : throw new InvalidSettingException(
                "Kuik:FollowedWorkloads", text, $"none, all, or kinds separated by commas: {string.Join(", ", WorkloadKinds)}");
    }

    private static int PreviousPort(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && IsPort(port)
            ? port
            : throw new InvalidSettingException("Kuik:Proxy:PreviousPorts", text, "a list of ports between 1 and 65535");

    private static bool IsPort(int port) => port is >= 1 and <= 65535;
}
