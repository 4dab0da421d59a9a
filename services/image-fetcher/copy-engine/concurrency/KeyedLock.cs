namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>An asynchronous lock for each key, in order of arrival; keys that are not held take no memory.</summary>
internal sealed class KeyedLock
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (SemaphoreSlim Semaphore, int Users)> _locks = [];

    /// <summary>Takes the lock of a key, waiting for it; disposing of the result releases it.</summary>
    public async Task<IDisposable> Enter(string key, CancellationToken ct)
    {
        SemaphoreSlim semaphore;
        lock (_gate)
        {
            var (existing, users) = _locks.GetValueOrDefault(key, (new SemaphoreSlim(1), 0));
            _locks[key] = (semaphore = existing, users + 1);
        }
        try
        {
            await semaphore.WaitAsync(ct);
        }
        catch
        {
            Forget(key);
            throw;
        }
        return new Held(this, key, semaphore);
    }

    /// <summary>True when <see cref="Enter"/> would wait.</summary>
    public bool IsHeld(string key)
    {
        lock (_gate)
            return _locks.ContainsKey(key);
    }

    private void Forget(string key)
    {
        lock (_gate)
        {
            var (semaphore, users) = _locks[key];
            if (users > 1)
                _locks[key] = (semaphore, users - 1);
            else
                _locks.Remove(key);
        }
    }

    private sealed class Held(KeyedLock locks, string key, SemaphoreSlim semaphore) : IDisposable
    {
        public void Dispose()
        {
            semaphore.Release();
            locks.Forget(key);
        }
    }
}
