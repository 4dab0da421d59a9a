using System.Collections.Concurrent;

namespace Kuik.Hosting;

/// <summary>
/// The values of a metric's label that come from outside, such as hosts. The first ones keep a label until the process ends; all others are
/// <see cref="Other"/>, so that no client can add series without limit.
/// </summary>
/// <param name="most">How many values get a label of their own because something about them succeeded.</param>
/// <param name="mostUnproven">How many more do before anything has succeeded. Default none.</param>
public sealed class BoundedLabels(int most, int mostUnproven = 0)
{
    /// <summary>The label of all values beyond the limits.</summary>
    public const string Other = "other";

    private readonly ConcurrentDictionary<string, string> _known = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private int _proven;
    private int _unproven;

    /// <summary>The label of a value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="isProven">Something about it succeeded: it is no invention of a client.</param>
    public string Get(string value, bool isProven)
    {
        if (_known.TryGetValue(value, out var known))
            return known;
        lock (_gate)
        {
            if (_known.TryGetValue(value, out known))
                return known;
            ref var taken = ref isProven ? ref _proven : ref _unproven;
            if (taken >= (isProven ? most : mostUnproven))
                return Other;
            taken++;
            _known[value] = value;
            return value;
        }
    }
}
