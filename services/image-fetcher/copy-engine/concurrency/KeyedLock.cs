namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>One lock per key, first come, first served; a key that is not held costs nothing.</summary>
internal sealed class KeyedLock
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (SemaphoreSlim Semaphore, int Users)> _locks = [];

    /// <summary>Waits until the key is free, then holds it; disposing the result lets it go.</summary>
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

    /// <summary>Would <see cref="Enter"/> wait at this moment?</summary>
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
