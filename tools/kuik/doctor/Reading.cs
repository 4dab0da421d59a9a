namespace Kuik.CommandLine.Doctor;

/// <summary>A part of the cluster that was to be read.</summary>
internal interface IReading
{
    /// <summary>Why it could not be read; null when it was.</summary>
    string? Problem { get; }
}

/// <summary>A part of the cluster as it was read, or why it could not be.</summary>
internal sealed class Reading<T> : IReading
{
    private readonly T? _value;

    private Reading(T? value, string? problem) => (_value, Problem) = (value, problem);

    /// <inheritdoc/>
    public string? Problem { get; }

    /// <summary>What was read.</summary>
    /// <exception cref="InvalidOperationException">It could not be read: ask <see cref="Problem"/> first.</exception>
    public T Value => Problem is null ? _value! : throw new InvalidOperationException(Problem);

    /// <summary>It could not be read.</summary>
    public static Reading<T> Failed(string problem) => new(default, problem);

    internal static Reading<T> Of(T value) => new(value, null);
}

/// <summary>Makes readings.</summary>
internal static class Reading
{
    /// <summary>It was read.</summary>
    public static Reading<T> Of<T>(T value) => Reading<T>.Of(value);
}
