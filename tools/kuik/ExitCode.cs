namespace Kuik.CommandLine;

/// <summary>The exit codes of every command. Scripts rely on these numbers.</summary>
internal static class ExitCode
{
    /// <summary>The command did its work, and found no error.</summary>
    public const int Ok = 0;

    /// <summary>The command did its work, and found an error.</summary>
    public const int ErrorsFound = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>No error was found, but something could not be determined.</summary>
    public const int Unknown = 3;

    /// <summary>The cluster cannot be reached, or the command failed (EX_SOFTWARE of sysexits.h).</summary>
    public const int Fault = 70;

    /// <summary>Ended by Ctrl-C.</summary>
    public const int Cancelled = 130;
}
