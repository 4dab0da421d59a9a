using System.Diagnostics;
using System.Globalization;
using Kuik.Contracts;
using Kuik.Testing;
using Npgsql;

namespace Kuik.Run;

/// <summary>Demonstrates Kuik's purpose: a pod's image is rewritten, cached, and pulled while its registry is unreachable.</summary>
internal static class ShowMainJob
{
    public static async Task Run(Started started)
    {
        var kuik = started.Kuik;

        Title($"A pod is created with the image {started.Image}");
        await kuik.Kubernetes.Kubectl("run", "web", "-n", Started.Namespace, $"--image={started.Image}", "--image-pull-policy=IfNotPresent",
            "--restart=Never");
        Say("the API server has it, rewritten by the webhook, with the image");
        Say("  " + await kuik.Kubernetes.Kubectl("get", "pod", "web", "-n", Started.Namespace, "-o",
            "jsonpath={.spec.containers[0].image}"));

        Title("What Kuik records, as it happens (the event log in Postgres)");
        await PrintEventsUntilCached(kuik.Database, ImageReference.Parse(started.Image).ToString());

        Title("kubectl get cachedimages");
        await Eventually.True(async () => (await kuik.Kubernetes.Kubectl("get", "cachedimages"))
            .Contains("Ready", StringComparison.Ordinal), "the resource shows the image as ready");
        Console.Write(Indent(await kuik.Kubernetes.Kubectl("get", "cachedimages")));

        Title($"A pull through {kuik.Proxy}");
        await Pull(started);

        if (started.IsOurs)
        {
            await started.Origin.Stop();
            Title($"The same pull with the image's registry stopped ({started.Origin.Host} refuses connections)");
            Say((await RunTool.Try("skopeo", ["inspect", "--tls-verify=false", $"docker://{started.Image}"])).ExitCode == 0
                ? "unexpected: the origin still answers" : $"skopeo inspect {started.Image}: connection refused");
            await Pull(started);
            await started.Origin.Restart();
            Say($"(the origin at {started.Origin.Host} runs again, for what you try next)");
        }
        else
        {
            foreach (var fetcher in kuik.ImageFetchers)
                await fetcher.Stop();
            Title("The same pull from the cache alone (a registry of the internet cannot be stopped from here; image-fetcher is)");
            await Pull(started);
            await Task.WhenAll(kuik.ImageFetchers.Select(fetcher => fetcher.Restart()));
        }
    }

    private static async Task Pull(Started started)
    {
        var clock = Stopwatch.StartNew();
        var folder = await Skopeo.Pull(started.Local, "linux/amd64");
        var bytes = new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length);
        Say(string.Create(CultureInfo.InvariantCulture,
            $"skopeo copy docker://{started.Local}: {bytes / 1e6:0.0} MB in {clock.Elapsed.TotalSeconds:0.00} s"));
        Directory.Delete(folder, recursive: true);
    }

    private static async Task PrintEventsUntilCached(string database, string image)
    {
        await using var postgres = NpgsqlDataSource.Create(database);
        var printed = 0L;
        await Eventually.True(
            async () =>
            {
                await using var command = postgres.CreateCommand(
                    "select seq_id, timestamp, stream_id, type, data ->> 'reason', data ->> 'bytesCopied', data ->> 'digest' from "
                        + "kuik.mt_events where seq_id > $1 order by seq_id");
                command.Parameters.Add(new() { Value = printed });
                await using var rows = await command.ExecuteReaderAsync();
                while (await rows.ReadAsync())
                {
                    printed = rows.GetInt64(0);
                    var (type, stream) = (rows.GetString(3), rows.GetString(2));
                    var detail = string.Join("  ",
                        new[] { Text(rows, 4), Text(rows, 5) is { } copied
                            ? copied + " bytes copied"
                            : null, Text(rows, 6) }.OfType<string>());
                    Say($"{rows.GetDateTime(1):HH:mm:ss.fff}  {type,-18} {stream}  {detail}");
                    if (type == nameof(ImageFetchFailed) && stream == StreamName.OfImage(image))
                        throw new ServerFailedException($"{image} could not be copied: {Text(rows, 4)}");
                    if (type == nameof(ImageCached) && stream == StreamName.OfImage(image))
                        return true;
                }
                return false;
            },
            $"{image} is cached", TimeSpan.FromMinutes(10));
    }

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static string Indent(string lines) =>
        string.Concat(lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => $"    {line}\n"));

    private static void Title(string text) => Console.WriteLine($"\n== {text}");

    private static void Say(string text) => Console.WriteLine("    " + text);
}
