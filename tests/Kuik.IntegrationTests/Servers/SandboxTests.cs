using System.Diagnostics;
using System.Globalization;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Servers;

public class SandboxTests
{
    [Fact]
    public async Task After_kill_9_of_a_test_host_none_of_its_servers_and_no_file_of_theirs_is_left()
    {
        // This very assembly, running tests that start Postgres, RabbitMQ (with its daemon epmd) and etcd.
        using var host = Process.Start(new ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "Kuik.IntegrationTests"),
            ["-class", "*PostgresAndRabbitMqTests", "-class", "*KubernetesApiTests"])
        { RedirectStandardOutput = true })!;
        var prefix = string.Create(CultureInfo.InvariantCulture, $"kuik-{host.Id}-");
        await Eventually.True(
            () => SandboxOf(prefix) is { } found && Names(found).IsSupersetOf(["postgres", "beam.smp", "epmd", "etcd"]),
            "the host has started its servers");
        var sandbox = SandboxOf(prefix)!;

        host.Kill();

        await Eventually.True(() => !Directory.Exists(sandbox) && Names(sandbox).Count == 0, "everything of the host is gone");
    }

    [Fact]
    public async Task A_server_that_ends_at_once_says_so_with_the_last_lines_of_its_log()
    {
        var server = ServerProcess.Start(Sandbox.Shared, "shell", Sandbox.Shared.NewFolder("shell"),
            new ServerCommand("sh", "-c", "echo out of luck; exit 3"));

        var failure = await Assert.ThrowsAsync<ServerFailedException>(() => server.WaitUntil(_ => Task.FromResult(false)));

        Assert.Equal("shell ended with exit code 3; the last lines of its log:\n    out of luck", failure.Message);
    }

    [Fact]
    public async Task A_server_killed_in_its_first_moment_is_gone()
    {
        // Killed before setsid has made it the leader of its group, in some of the hundred.
        var servers = Enumerable.Range(0, 100).Select(_ => ServerProcess.Start(
            Sandbox.Shared, "sleep", Sandbox.Shared.NewFolder("sleep"), new ServerCommand("sleep", "600")));

        foreach (var server in servers)
        {
            await Task.Run(server.Kill).WaitAsync(TimeSpan.FromSeconds(30));
            Assert.True(server.HasExited);
        }
    }

    private static string? SandboxOf(string prefix) => Directory.GetDirectories(Path.GetTempPath(), prefix + "*").SingleOrDefault();

    /// <summary>The names of the processes that belong to a sandbox: those that hold its path in their command line or
    /// environment.</summary>
    private static HashSet<string> Names(string sandbox)
    {
        var names = new HashSet<string>();
        foreach (var folder in Directory.GetDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)))
        {
            try
            {
                var isGuard = File.ReadAllText($"{folder}/cmdline").Contains("guard\0", StringComparison.Ordinal);
                if (!isGuard && (File.ReadAllText($"{folder}/cmdline") + File.ReadAllText($"{folder}/environ"))
                    .Contains(sandbox, StringComparison.Ordinal))
                    names.Add(File.ReadAllText($"{folder}/comm").Trim());
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or is none of ours.
            }
        }
        return names;
    }
}
