namespace Kuik.CommandLine.Doctor;

/// <summary>The result of reading a part of the cluster.</summary>
internal interface IReading
{
    /// <summary>The error; null when it was read.</summary>
    string? Problem { get; }
}
