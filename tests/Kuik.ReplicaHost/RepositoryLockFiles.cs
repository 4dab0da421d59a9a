using Kuik.ImageFetcher.CopyEngine;

namespace Kuik.ReplicaHost;

/// <summary>
/// The lock of each cache repository among all replicas of a test: a file that one process at a time has open. As with Postgres' session
/// locks, a process that is
/// killed lets go, and one that is frozen does not.
/// </summary>
internal sealed class RepositoryLockFiles(string folder)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);

    /// <summary>Waits until this caller has it; disposing of the result lets go.</summary>
    public async Task<IHeldLock> Take(string repository, CancellationToken ct)
    {
        var path = Path.Combine(folder, repository.Replace('/', '+'));
        while (true)
        {
            try
            {
                return new Held(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException)   // another caller's; the kernel has no queue of waiters that a token could end
            {
                await Task.Delay(Pause, ct);
            }
        }
    }

    private sealed class Held(FileStream file) : IHeldLock
    {
        public bool ExcludesOthers => true;

        public Task EnsureHeld(CancellationToken ct) => Task.CompletedTask;   // the kernel takes no lock from a process that lives

        public ValueTask DisposeAsync() => file.DisposeAsync();
    }
}
