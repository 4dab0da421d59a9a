using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>Each service can be started beside <c>make run</c> by its launch settings.</summary>
public sealed partial class LaunchSettingsTests
{
    public static TheoryData<string> Services => ["webhook", "pod-watcher", "image-fetcher", "expiry", "node-proxy"];

    [Theory]
    [MemberData(nameof(Services))]
    public void A_service_has_a_profile_that_starts_it(string service)
    {
        var folder = Path.Combine(Checkout.Root, "services", service);

        var profile = JsonNode.Parse(
            File.ReadAllText(Path.Combine(folder, "Properties", "launchSettings.json")))!["profiles"]!["beside make run"]!;

        Assert.Equal("Executable", (string?)profile["commandName"]);
        Assert.Equal("bash", (string?)profile["executablePath"]);
        Assert.Equal($"../../tools/run/beside {service}", (string?)profile["commandLineArgs"]);   // from the project's folder
        Assert.Matches($@"\b{service}\b.*\)", File.ReadAllText(Script));
    }

    [Fact]
    public void The_script_reads_addresses_that_make_run_writes()
    {
        var written = File.ReadAllText(Path.Combine(Checkout.Root, "tools", "run", "RunState.cs"));

        var read = Variable().Matches(File.ReadAllText(Script)).Select(match => match.Groups[1].Value).Distinct().ToList();

        Assert.True(read.Count > 4, string.Join(' ', read));
        Assert.DoesNotContain(read, variable => !written.Contains($"\"{variable}", StringComparison.Ordinal));
    }

    private static string Script => Path.Combine(Checkout.Root, "tools", "run", "beside");

    // A number at the end counts replicas; KUIK_BESIDE_… are the script's own.
    [GeneratedRegex(@"\$\{?(KUIK_(?!BESIDE)[A-Z_]+)")]
    private static partial Regex Variable();
}
