using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Kuik.Testing;

/// <summary>A program with its arguments and environment.</summary>
/// <param name="File">A program, by path or found on the path.</param>
/// <param name="Arguments">Its arguments.</param>
public sealed record ServerCommand(string File, params string[] Arguments)
{
    /// <summary>Added to this process's environment; null removes a variable.</summary>
    public Dictionary<string, string?> Environment { get; init; } = [];

    /// <summary>The user to run as when this process is root; null for root itself.</summary>
    public string? User { get; init; }
}

/// <summary>A failure of a server; the message ends with the last lines of its log.</summary>
public sealed class ServerFailedException(string message) : Exception(message);

/// <summary>A real server as a process in a session of its own, its output in a file.</summary>
public sealed class ServerProcess
{
    private readonly Process process;
    private readonly string folder;

    private ServerProcess(Process process, string name, string folder, string logFile) =>
        (this.process, Name, this.folder, LogFile) = (process, name, folder, logFile);

    public string Name { get; }

    /// <summary>Its process id; it leads the process group of the same number.</summary>
    public int Id => process.Id;

    /// <summary>The file of its standard output and error; appended to by each start in the same folder.</summary>
    public string LogFile { get; }

    public bool HasExited => process.HasExited;

    /// <summary>Null while it runs.</summary>
    public int? ExitCode => process.HasExited ? process.ExitCode : null;

    /// <summary>The whole log so far.</summary>
    public string Log => File.Exists(LogFile) ? ReadShared(LogFile) : "";

    /// <summary>Starts it; it may not be ready yet: see <see cref="WaitUntil"/>.</summary>
    /// <param name="sandbox">Its sandbox; it is killed with it.</param>
    /// <param name="name">For messages and the log's name.</param>
    /// <param name="folder">Its own folder in the sandbox, not shared with another server, as <see cref="Kill()"/>
    /// finds its processes by it.</param>
    /// <param name="command">The program.</param>
    /// <exception cref="ServerFailedException">The program is missing.</exception>
    public static ServerProcess Start(Sandbox sandbox, string name, string folder, ServerCommand command)
    {
        var logFile = Path.Combine(folder, name + ".log");
        string[] asUser = command.User is { } user && Environment.IsPrivilegedProcess
            ? ["setpriv", $"--reuid={user}", $"--regid={user}", "--init-groups"]
            : [];
        // A shell opens the log, so that the server keeps it when this process is gone.
        var start = new ProcessStartInfo("setsid",
            ["sh", "-c", "exec >>\"$0\" 2>&1 </dev/null; exec \"$@\"", logFile, .. asUser, command.File, .. command.Arguments])
        {
            WorkingDirectory = folder,
        };
        start.Environment["KUIK_SANDBOX"] = sandbox.Root;
        start.Environment["KUIK_SERVER"] = folder;
        foreach (var (key, value) in command.Environment)
        {
            start.Environment.Remove(key);
            if (value is not null)
                start.Environment[key] = value;
        }
        var process = Process.Start(start)!;
        File.AppendAllText(Path.Combine(sandbox.Root, "groups"), process.Id.ToString(CultureInfo.InvariantCulture) + "\n");
        return new ServerProcess(process, name, folder, logFile);
    }

    /// <summary>Polls until the server is ready.</summary>
    /// <param name="isReady">False or an exception of the network: not yet.</param>
    /// <param name="within">Default 60 seconds: a busy machine is slow, and a dead server is noticed at once.</param>
    /// <exception cref="ServerFailedException">It ended, or the time is up.</exception>
    public async Task<ServerProcess> WaitUntil(Func<CancellationToken, Task<bool>> isReady, TimeSpan? within = null)
    {
        using var deadline = new CancellationTokenSource(within ?? TimeSpan.FromSeconds(60));
        string lastAnswer = "no answer";
        while (!HasExited && !deadline.IsCancellationRequested)
        {
            try
            {
                if (await isReady(deadline.Token))
                    return this;
            }
            catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException
                or OperationCanceledException or System.Data.Common.DbException)
            {
                lastAnswer = e.Message;
            }
            await Task.Delay(25, CancellationToken.None);
        }
        throw Failed(HasExited ? $"ended with exit code {process.ExitCode}" : $"is not ready in time ({lastAnswer})");
    }

    /// <summary>Sends a signal to the process alone.</summary>
    /// <param name="signal">For example 15 (SIGTERM), 19 (SIGSTOP), 18 (SIGCONT).</param>
    public void Signal(int signal)
    {
        if (!HasExited && Kill(Id, signal) != 0)
            throw new Win32Exception();
    }

    /// <summary>SIGTERM (or another signal), and waits until it is gone.</summary>
    /// <exception cref="ServerFailedException">It is still there after <paramref name="within"/> (default 30 seconds).</exception>
    public async Task Stop(int signal = 15, TimeSpan? within = null)
    {
        Signal(signal);
        using var deadline = new CancellationTokenSource(within ?? TimeSpan.FromSeconds(30));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw Failed($"is still there after signal {signal}");
        }
        Kill();
    }

    /// <summary>kill -9 of it and of everything it started, daemons included; returns when they are gone.</summary>
    public void Kill()
    {
        if (!HasExited)   // otherwise its number may be another process's by now
        {
            _ = Kill(-Id, 9);
            _ = Kill(Id, 9);   // right after its start it leads no group yet
        }
        process.WaitForExit();
        foreach (var left in StartedIn(folder))
        {
            _ = Kill(left.Id, 9);
            left.WaitForExit();
        }
    }

    /// <summary>An error with the last lines of the log.</summary>
    public ServerFailedException Failed(string what)
    {
        var lines = Log.TrimEnd().Split('\n');
        var text = new StringBuilder($"{Name} {what}; the last lines of its log:");
        foreach (var line in lines.TakeLast(20))
            text.Append("\n    ").Append(line);
        return new ServerFailedException(text.ToString());
    }

    private static IEnumerable<Process> StartedIn(string folder)
    {
        var marker = $"\0KUIK_SERVER={folder}\0";
        foreach (var process in Process.GetProcesses())
        {
            var environment = "";
            try
            {
                environment = "\0" + File.ReadAllText($"/proc/{process.Id}/environ");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Already gone, or another user's.
            }
            if (environment.Contains(marker, StringComparison.Ordinal))
                yield return process;
        }
    }

    private static string ReadShared(string file)
    {
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return reader.ReadToEnd();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);
}
