using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Kuik.Hosting;

namespace Kuik.Webhook;

/// <summary>The certificate that HTTPS is served with: that of its files, or the last one of theirs that could be used.</summary>
internal sealed class ServingCertificate
{
    private const string Section = "Kestrel:Certificates:Default";

    private readonly string _path;
    private readonly string _keyPath;
    private string _fingerprint;
    private SslStreamCertificateContext _current;

    private ServingCertificate(string path, string keyPath)
    {
        (_path, _keyPath) = (path, keyPath);
        (_current, _fingerprint) = Load(ReadFiles());
    }

    /// <summary>For connections that begin now; those that are open keep theirs.</summary>
    public SslStreamCertificateContext Current => Volatile.Read(ref _current);

    /// <summary>
    /// Reads <c>Kestrel:Certificates:Default:Path</c>, a PEM file with the certificate and those that lead from it to its authority, and
    /// <c>Kestrel:Certificates:Default:KeyPath</c>, its private key as PEM; default the same file.
    /// </summary>
    /// <exception cref="InvalidSettingException">There is none, or it cannot be used.</exception>
    public static ServingCertificate From(IConfiguration configuration)
    {
        var path = configuration.ReadRequired($"{Section}:Path", "the file of the certificate that HTTPS needs");
        var keyPath = configuration[$"{Section}:KeyPath"] is { Length: > 0 } key ? key : path;
        try
        {
            return new ServingCertificate(path, keyPath);
        }
        catch (Exception wrong) when (IsOfTheFiles(wrong))
        {
            throw new InvalidSettingException($"{Section}:Path", $"{path}, {keyPath}", $"a PEM file and its key ({wrong.Message})");
        }
    }

    /// <summary>Loads the current files. If they cannot be used, the previous certificate stays.</summary>
    /// <returns>True when the certificate has changed.</returns>
    /// <exception cref="IOException">A file cannot be read; <see cref="IsOfTheFiles"/> names the others.</exception>
    public bool Refresh()
    {
        var files = ReadFiles();
        if (FingerprintOf(files) == _fingerprint)
            return false;
        var (loaded, fingerprint) = Load(files);
        (_fingerprint, _) = (fingerprint, Interlocked.Exchange(ref _current, loaded));
        return true;
    }

    /// <summary>Says of a fault that the files are its reason.</summary>
    // the last: a key of another certificate
    public static bool IsOfTheFiles(Exception fault) =>
        fault is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;

    private (string Certificate, string Key) ReadFiles() => (File.ReadAllText(_path), File.ReadAllText(_keyPath));

    private static (SslStreamCertificateContext Context, string Fingerprint) Load((string Certificate, string Key) files)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(files.Certificate);
        // Offline: nothing is fetched from anywhere to complete the chain.
        return (SslStreamCertificateContext.Create(X509Certificate2.CreateFromPem(files.Certificate, files.Key), chain, offline: true),
            FingerprintOf(files));
    }

    private static string FingerprintOf((string Certificate, string Key) files) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(files.Certificate + files.Key)));
}
