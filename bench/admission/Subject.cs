using System.Diagnostics;
using System.Net;
using System.Net.Security;
using Kuik.Testing;

namespace Kuik.Bench.Admission;

/// <summary>A server that is asked over TLS: the webhook, or the endpoint that echoes. Both are published as the webhook is
/// shipped.</summary>
internal sealed class Subject : IDisposable
{
    /// <summary>
    /// As many API servers as a cluster has: each has connections of its own, by HTTP/1.1, one for each answer that it waits for.
    /// </summary>
    private const int ApiServers = 3;

    private readonly string program;
    private readonly PemPair certificate;
    private readonly HttpClient[] apiServers = [.. Enumerable.Range(0, ApiServers).Select(_ => NewClient())];
    private ServerProcess? process;
    private Uri? address;

    private Subject(string name, string program, PemPair certificate) =>
        (Name, this.program, this.certificate) = (name, program, certificate);

    /// <summary>As in the results.</summary>
    public string Name { get; }

    public int ProcessId => process!.Id;

    /// <summary>Publishes a project.</summary>
    /// <param name="name">As in the results.</param>
    /// <param name="project">Its folder, from the root of the checkout.</param>
    /// <param name="assembly">Its assembly's name.</param>
    public static async Task<Subject> Publish(string name, string project, string assembly)
    {
        var folder = Path.Combine(Checkout.Root, "artifacts/bench", name);
        await RunTool.Run("dotnet",
            ["publish", Path.Combine(Checkout.Root, project), "-c", "Release", "--use-current-runtime", "-o", folder, "--nologo", "-v",
                "quiet"]);
        return new Subject(name, Path.Combine(folder, assembly), new CertificateAuthority(name).Issue("CN=" + name, "127.0.0.1"));
    }

    /// <summary>Starts it anew.</summary>
    /// <returns>Milliseconds from the start of its process to its first answer.</returns>
    public async Task<double> Start(byte[] review)
    {
        if (process is not null)
            await process.Stop();
        var folder = Sandbox.Shared.NewFolder(Name);
        var (path, keyPath) = certificate.WriteTo(folder, "tls");
        address = new Uri($"https://127.0.0.1:{FreePort.Next()}/mutate-core-v1-pod");
        var started = Stopwatch.GetTimestamp();
        process = ServerProcess.Start(Sandbox.Shared, Name, folder, new ServerCommand(program)
        {
            Environment =
            {
                ["ASPNETCORE_URLS"] = address.GetLeftPart(UriPartial.Authority),
                ["Kestrel__Certificates__Default__Path"] = path,
                ["Kestrel__Certificates__Default__KeyPath"] = keyPath,
                ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",
            },
        });
        while (!await Answers(review))
            await Task.Delay(1);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    /// <summary>Sends a review as one of the API servers and reads the answer.</summary>
    /// <exception cref="HttpRequestException">It refused.</exception>
    public async Task<byte[]> Ask(byte[] review, int number)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Version = HttpVersion.Version11 };
        request.Content = new ByteArrayContent(review);
        request.Content.Headers.ContentType = new("application/json");
        using var answer = await apiServers[number % ApiServers].SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadAsByteArrayAsync();
    }

    public void Dispose()
    {
        process?.Kill();
        foreach (var client in apiServers)
            client.Dispose();
    }

    private async Task<bool> Answers(byte[] review)
    {
        try
        {
            return (await Ask(review, 0)).Length > 0;
        }
        catch (HttpRequestException) when (!process!.HasExited)
        {
            return false;
        }
        catch (HttpRequestException)
        {
            throw process!.Failed("has ended");
        }
    }

    private static HttpClient NewClient() => new(new SocketsHttpHandler
    {
        UseProxy = false,
        ActivityHeadersPropagator = null,
        // its authority is not what is measured
        SslOptions = new SslClientAuthenticationOptions
        { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null },
    })
    {
        Timeout = TimeSpan.FromMinutes(5),   // the worst is to be seen, not to be cut off
    };
}
