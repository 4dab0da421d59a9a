using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Rows of one kind that follow from the log.</summary>
internal interface IRebuiltPart
{
    /// <summary>For output, as <c>kuik verify</c> names it.</summary>
    string Name { get; }

    /// <summary>The tables, with their schema.</summary>
    IReadOnlyList<string> Tables { get; }

    /// <summary>The keys, of users, images or repositories, whose rows the part holds.</summary>
    HashSet<string> KeysOf(TouchedKeys touched);

    /// <summary>The keys whose rows are not those of the log.</summary>
    /// <param name="connection">Open.</param>
    /// <param name="log">The log.</param>
    /// <param name="keys">Only these are compared; null for all.</param>
    /// <param name="ct">Cancels it.</param>
    Task<IReadOnlyCollection<string>> FindDifferent(
        NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string>? keys, CancellationToken ct);

    /// <summary>Replaces the rows of these keys by those of the log. No other transaction may write them.</summary>
    /// <returns>The number of keys whose rows were wrong.</returns>
    Task<int> Replace(NpgsqlConnection connection, FoldedLog log, IReadOnlyCollection<string> keys, CancellationToken ct);
}
