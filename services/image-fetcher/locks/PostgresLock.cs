using Kuik.ImageFetcher.CopyEngine;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>A lock that a session of Postgres holds.</summary>
internal sealed class PostgresLock(IAsyncDisposable held, Func<CancellationToken, Task> ensureHeld, Func<bool> excludesOthers, string name)
    : IHeldLock
{
    public bool ExcludesOthers => excludesOthers();

    public async Task EnsureHeld(CancellationToken ct)
    {
        try
        {
            await ensureHeld(ct);
        }
        catch (NpgsqlException error)
        {
            throw new LockLostException($"{name} is lost, because Postgres did not answer ({error.Message})", error);
        }
    }

    public ValueTask DisposeAsync() => held.DisposeAsync();
}
