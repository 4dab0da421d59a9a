using Kuik.Hosting;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>This process's folder below <c>Kuik:Fetch:SpoolPath</c>, readable by its user alone, and deleted with the process.</summary>
internal sealed class SpoolFolder : IDisposable
{
    private const string LockName = "lock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _folder;
    private readonly FileStream _lock;

    /// <summary>Creates the folder, and deletes those of processes that are gone.</summary>
    /// <exception cref="InvalidSettingException">The folder cannot be used.</exception>
    public SpoolFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            DeleteLeftovers(path);
            var own = Path.Combine(path, $"{Environment.ProcessId}-{Guid.NewGuid():n}");
            _folder = (OperatingSystem.IsWindows() ? Directory.CreateDirectory(own) : Directory.CreateDirectory(own, OwnerOnly)).FullName;
            _lock = new FileStream(Path.Combine(_folder, LockName), FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidSettingException("Kuik:Fetch:SpoolPath", path, $"a folder that can be written ({e.Message})");
        }
    }

    /// <summary>The path of a file.</summary>
    public string NameOf(long number) => Path.Combine(_folder, $"{number}");

    public void Dispose()
    {
        _lock.Dispose();
        try
        {
            if (Directory.Exists(_folder))
                Directory.Delete(_folder, recursive: true);
        }
        catch (IOException)
        {
            // A download that ends at this moment created a file: the next process deletes the folder.
        }
    }

    private static void DeleteLeftovers(string path)
    {
        foreach (var folder in Directory.GetDirectories(path))
        {
            var claim = Path.Combine(folder, LockName);
            try
            {
                if (!File.Exists(claim))
                    continue;   // not a spool's folder, or one that is being created
                using (new FileStream(claim, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    Directory.Delete(folder, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Its process is alive, or it belongs to another user.
            }
        }
    }
}
