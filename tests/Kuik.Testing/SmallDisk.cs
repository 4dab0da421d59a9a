using System.Diagnostics;

namespace Kuik.Testing;

/// <summary>A file system of a few megabytes, in memory. Mounting one needs root.</summary>
public sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    /// <summary>Where it is mounted.</summary>
    public string Folder { get; }

    /// <summary>Mounts one.</summary>
    /// <param name="parent">An existing folder.</param>
    /// <param name="megabytes">Its size.</param>
    /// <exception cref="InvalidOperationException">mount failed.</exception>
    public static async Task<SmallDisk> Mount(string parent, int megabytes)
    {
        var disk = new SmallDisk(Directory.CreateDirectory(Path.Combine(parent, "small-disk")).FullName);
        await Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", disk.Folder);
        return disk;
    }

    public async ValueTask DisposeAsync() => await Run("umount", "--lazy", Folder);

    private static async Task Run(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{command} {string.Join(' ', arguments)}: {error.Trim()}");
    }
}
