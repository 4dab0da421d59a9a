using System.Globalization;
using Kuik.Hosting;

namespace Kuik.PodWatcher;

/// <summary>This service's settings.</summary>
/// <param name="Namespace">Where its Lease is: <c>Kuik:Namespace</c>, default <c>kuik-system</c>. It has to exist.</param>
/// <param name="ProxyPorts">node-proxy's ports, by which an image is known to be ours: <c>Kuik:Proxy:Port</c> (default 7439) and <c>Kuik:Proxy:PreviousPorts</c>.</param>
/// <param name="LeaseDuration">How long after its last sign of life a replica is taken to be gone: <c>Kuik:LeaseDuration</c>, default 15 s, at least 3 s.</param>
/// <param name="FollowsAllPods">
/// Which pods count: <c>Kuik:FollowedPods</c>, default <c>managed</c>, those that the webhook has rewritten; <c>all</c> (here true): every pod but those with the label
/// <c>kube-image-keeper.enix.io/image-caching-policy: ignore</c>, for nodes whose runtime pulls through node-proxy as a mirror (docs/mirror-mode.md).
/// </param>
internal sealed record WatcherOptions(string Namespace, IReadOnlyCollection<int> ProxyPorts, TimeSpan LeaseDuration, bool FollowsAllPods = false)
{
    /// <summary>The kinds of workloads that can use the images of their pod templates.</summary>
    public static readonly IReadOnlyList<string> WorkloadKinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

    /// <summary>
    /// Which kinds of workloads count as users of images, beside pods: <c>Kuik:FollowedWorkloads</c>, default <c>none</c>; <c>all</c>, or some
    /// of <see cref="WorkloadKinds"/>, separated by commas. A recorded use by a kind that is not among them ends.
    /// </summary>
    public IReadOnlyList<string> FollowedWorkloads { get; init; } = [];

    /// <summary>
    /// The recorded size of the cache above which unused images leave it before their time, least recently used first:
    /// <c>Kuik:CacheLimit</c>, default none (null). Images in use and retained ones stay, whatever the limit.
    /// </summary>
    public long? CacheLimitInBytes { get; init; }

    /// <summary>Reads them.</summary>
    /// <exception cref="InvalidSettingException">One cannot be used.</exception>
    public static WatcherOptions From(IConfiguration configuration)
    {
        var port = configuration.Read("Kuik:Proxy:Port", 7439, "a port between 1 and 65535", IsPort);
        return new WatcherOptions(
            configuration.Read("Kuik:Namespace", "kuik-system", "the name of a namespace", name => name.Length <= 63 && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')),
            [port, .. configuration.ReadList("Kuik:Proxy:PreviousPorts").Select(PreviousPort)],
            configuration.Read("Kuik:LeaseDuration", TimeSpan.FromSeconds(15), "a duration of at least 3 seconds, for example 00:00:15", d => d >= TimeSpan.FromSeconds(3)),
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
