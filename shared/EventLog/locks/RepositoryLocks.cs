using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// The locks between copying into a cache repository and evicting from it: held for the last check of an image's parts with the
/// PUT of its tag, and for an eviction with its sweep. Within this process callers queue for each repository; only the first of
/// them asks Postgres. A singleton.
/// </summary>
public sealed class RepositoryLocks(LockSession session, TimeProvider time)
{
    private readonly Dictionary<string, Line> _lines = [];

    /// <summary>Takes the lock, waiting for it; disposing of the result releases it.</summary>
    /// <param name="repository">The path in the cache registry, <c>docker.io/library/nginx</c>.</param>
    /// <param name="ct">Cancels the wait, which has no other limit.</param>
    /// <exception cref="NpgsqlException">Postgres is unreachable.</exception>
    public async Task<RepositoryLock> Take(string repository, CancellationToken ct)
    {
        var line = Enter(repository);
        try
        {
            await line.Turn.WaitAsync(ct);
        }
        catch
        {
            Leave(repository, line);
            throw;
        }
        try
        {
            var held = await new LockQueue(session, "repository/" + repository, isShared: false, time).Take(ct);
            return new RepositoryLock(held, () => EndTurn(repository, line));
        }
        catch
        {
            EndTurn(repository, line);
            throw;
        }
    }

    private Line Enter(string repository)
    {
        lock (_lines)
        {
            if (!_lines.TryGetValue(repository, out var line))
                _lines.Add(repository, line = new Line());
            line.Count++;
            return line;
        }
    }

    private void EndTurn(string repository, Line line)
    {
        line.Turn.Release();
        Leave(repository, line);
    }

    private void Leave(string repository, Line line)
    {
        lock (_lines)
            if (--line.Count == 0)
                _lines.Remove(repository);
    }

    private sealed class Line
    {
        public SemaphoreSlim Turn { get; } = new(1);

        public int Count { get; set; }
    }
}
