namespace Kuik.Webhook;

/// <summary>
/// Looks after the certificate's files. By their content: a Secret's files are links through a folder that is swapped whole, of which a
/// watch on the files themselves sees nothing.
/// </summary>
internal sealed partial class CertificateReloader(ServingCertificate certificate, TimeProvider time, ILogger<CertificateReloader> logger)
    : BackgroundService
{
    /// <summary>The interval of checks for a new certificate. The kubelet itself takes up to two minutes to write it.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private string? _problem;

    /// <summary>Checks the files once. A problem with them is logged once, not at every check.</summary>
    public void Reload()
    {
        try
        {
            if (certificate.Refresh())
                LogRenewed(logger, certificate.Current.TargetCertificate.Subject,
                    certificate.Current.TargetCertificate.NotAfter.ToUniversalTime());
            _problem = null;
        }
        catch (Exception wrong) when (ServingCertificate.IsOfTheFiles(wrong))
        {
            if (wrong.Message != _problem)
                LogKept(logger, certificate.Current.TargetCertificate.NotAfter.ToUniversalTime(), wrong.Message);
            _problem = wrong.Message;
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            Reload();
    }

    [LoggerMessage(LogLevel.Information, "Serving a new certificate from now on: {Subject}, valid until {NotAfter:u}")]
    private static partial void LogRenewed(ILogger logger, string subject, DateTime notAfter);

    [LoggerMessage(LogLevel.Error, "The new certificate cannot be used; the old one, valid until {NotAfter:u}, is served on: {Problem}")]
    private static partial void LogKept(ILogger logger, DateTime notAfter, string problem);
}
