using Kuik.Testing;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>A node-proxy with everything it is not told about refusing connections.</summary>
internal static class StartNodeProxy
{
    /// <param name="cache">Null: a closed port.</param>
    /// <param name="fetcher">Null: there is none.</param>
    /// <param name="origin">Reached over plain HTTP; null: none is.</param>
    /// <param name="more">Further settings.</param>
    public static Task<KuikService> With(Uri? cache = null, Uri? fetcher = null, Uri? origin = null,
        params (string Key, string Value)[] more)
    {
        var settings = new Dictionary<string, string?>
        {
            ["Kuik:Cache:ReadEndpoint"] = (cache ?? ClosedPort()).AbsoluteUri,
            ["Kuik:Fetcher:Endpoint"] = fetcher?.AbsoluteUri,
            ["Kuik:InsecureRegistries:0"] = origin?.AbsoluteUri,
        };
        foreach (var (key, value) in more)
            settings[key] = value;
        return KuikService.Start("NodeProxy", new KuikServiceOptions { Settings = settings });
    }

    /// <summary>An address where connections are refused.</summary>
    public static Uri ClosedPort() => new($"http://127.0.0.1:{FreePort.Next()}/");

    /// <summary>An image's name through this proxy, as a rewritten pod has it.</summary>
    public static string Local(this KuikService proxy, string path, string reference) =>
        $"127.0.0.1:{proxy.Port}/{path}{(reference.Contains(':') ? "@" : ":")}{reference}";
}
