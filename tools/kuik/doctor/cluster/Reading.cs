namespace Kuik.CommandLine.Doctor;

/// <summary>A part of the cluster, or the error of reading it.</summary>
internal sealed class Reading<T> : IReading
{
    private readonly T? _value;

    private Reading(T? value, string? problem) => (_value, Problem) = (value, problem);

    /// <inheritdoc/>
    public string? Problem { get; }

    /// <summary>The part.</summary>
    /// <exception cref="InvalidOperationException">It could not be read: check <see cref="Problem"/> first.</exception>
    public T Value => Problem is null ? _value! : throw new InvalidOperationException(Problem);

    /// <summary>A reading with an error.</summary>
    public static Reading<T> Failed(string problem) => new(default, problem);

    internal static Reading<T> Of(T value) => new(value, null);
}

/// <summary>The factory of readings.</summary>
internal static class Reading
{
    /// <summary>A reading without an error.</summary>
    public static Reading<T> Of<T>(T value) => Reading<T>.Of(value);
}
