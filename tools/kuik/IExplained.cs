namespace Kuik.CommandLine;

/// <summary>A command with more help than its options: exit codes, examples.</summary>
internal interface IExplained
{
    /// <summary>Lines that follow the options.</summary>
    string Explanation { get; }
}
