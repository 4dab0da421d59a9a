namespace Kuik.Hosting;

/// <summary>How processes of Kuik end that have not done their work, in the numbers of sysexits.h. 0 is a good end.</summary>
public static class ExitCodes
{
    /// <summary>EX_SOFTWARE: a fault, or something that a person has to change first; the log says what.</summary>
    public const int Failed = 70;

    /// <summary>EX_TEMPFAIL: a server was away for too long; the same command may succeed later.</summary>
    public const int TryAgain = 75;

    /// <summary>EX_CONFIG: a setting cannot be used.</summary>
    public const int WrongSetting = 78;
}
