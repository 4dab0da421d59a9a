using System.Net.Http.Headers;
using System.Text;

namespace Kuik.Oci;

/// <summary>The credential of one pull secret for one registry. Never written to a log: <see cref="ToString"/> shows nothing of
/// it.</summary>
/// <param name="Username">Empty when there is only a token.</param>
/// <param name="Password">A password or an access key.</param>
/// <param name="IdentityToken">A refresh token for the registry's token server; null when there is none.</param>
/// <param name="RegistryToken">A bearer token for the registry itself, sent as it is; null when there is none.</param>
public sealed record RegistryCredential(string Username, string Password, string? IdentityToken = null, string? RegistryToken = null)
{
    /// <summary>
    /// The encoding of username and password: UTF-8, or, when false, Latin-1, in which each character is one byte. That keeps the bytes of
    /// a password that a pull secret holds in another encoding.
    /// </summary>
    public bool IsUtf8 { get; init; } = true;

    public override string ToString() => "(a credential)";

    /// <summary>Username and password as a header holds them; null without a username.</summary>
    internal AuthenticationHeaderValue? ToBasic() =>
        Username.Length == 0
            ? null
            : new AuthenticationHeaderValue("Basic",
                Convert.ToBase64String((IsUtf8 ? Encoding.UTF8 : Encoding.Latin1).GetBytes($"{Username}:{Password}")));
}
