namespace Kuik.Hosting;

/// <summary>The exit codes of processes that failed, with the numbers of sysexits.h. 0 is success.</summary>
public static class ExitCodes
{
    /// <summary>EX_SOFTWARE: a fault, or a condition that an operator has to change first; the log has the cause.</summary>
    public const int Failed = 70;

    /// <summary>EX_TEMPFAIL: a server was unreachable for too long; the same command may succeed later.</summary>
    public const int TryAgain = 75;

    /// <summary>EX_CONFIG: a setting is invalid.</summary>
    public const int WrongSetting = 78;
}
