namespace Kuik.PodWatcher.Setup;

/// <summary>A certificate, followed by others, and the private key of the first one, as PEM text.</summary>
/// <param name="Certificates">One or more.</param>
/// <param name="Key">PKCS 8.</param>
internal sealed record CertificatePair(string Certificates, string Key);
