using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Kuik.Contracts;
using Kuik.Oci;
using Kuik.Testing;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// Pulls through the proxy of the node, as a kubelet does. Whatever comes is what the origin has, or had, under that name. A pull succeeds
/// while the origin answers, and while the cache does and has the image; one that fails then is tried again for some time, as the kubelet
/// does.
/// </summary>
internal sealed class NodePulls(Machine machine) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly HttpClient _http = new() { Timeout = Patience };

    /// <summary>Pulls an image, if the proxy runs.</summary>
    /// <exception cref="InvalidOperationException">Other bytes came, or none although they should have.</exception>
    public async Task Pull(int image)
    {
        var replica = machine.Services[MachineServices.NodeProxy];
        if (replica.IsDown)
            return;
        var began = Stopwatch.GetTimestamp();
        while (await FindProblem(image, replica.Service.Endpoint) is { } problem)
        {
            if (!MustSucceed(image))
                return;
            if (Stopwatch.GetElapsedTime(began) > Patience)
                throw new InvalidOperationException($"{problem}\n{replica.Tail}");
            await Task.Delay(Pause);
        }
    }

    public void Dispose() => _http.Dispose();

    // Of what the registry has lost, a part may be served before the loss is known.
    private bool MustSucceed(int image) => !machine.Lost.Contains(image)
        && (machine.IsOriginUp || (machine.IsCacheUp && machine.Guarded.Contains(image) && machine.UsersOf(image).Count > 0));

    private async Task<string?> FindProblem(int image, Uri proxy)
    {
        var reference = ImageReference.Parse(machine.ImageNames[image]);
        var address = new Uri(proxy, $"v2/{CachePath.Of(reference)}/");
        var (status, manifest) = await Get(new Uri(address, $"manifests/{reference.Target}"));
        if (manifest is null)
            return $"a pull of v{image} got {status} for its manifest";
        var digest = TestBlob.DigestOf(manifest);
        if (!machine.Versions[image].Exists(version => version.Digest == digest))
            throw new InvalidOperationException($"a pull of v{image} got a manifest with the digest {digest}, which its origin never had");
        var content = JsonNode.Parse(manifest)!;
        foreach (var part in content["layers"]!.AsArray().Append(content["config"]))
        {
            var blob = (string)part!["digest"]!;
            (status, var bytes) = await Get(new Uri(address, $"blobs/{blob}"));
            if (bytes is null)
                return $"a pull of v{image} got {status} for its blob {blob}";
            if (TestBlob.DigestOf(bytes) != blob)
                throw new InvalidOperationException($"a pull of v{image} got other bytes for its blob {blob}");
        }
        return null;
    }

    private async Task<(string Status, byte[]? Bytes)> Get(Uri address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        foreach (var type in MediaTypes.Manifests)
            request.Headers.Accept.ParseAdd(type);
        try
        {
            using var answer = await _http.SendAsync(request);
            var bytes = await answer.Content.ReadAsByteArrayAsync();
            return ($"{(int)answer.StatusCode}", answer.StatusCode == HttpStatusCode.OK ? bytes : null);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException)
        {
            return (fault.Message, null);   // it starts, or the answer breaks off because what came was not right
        }
    }
}
