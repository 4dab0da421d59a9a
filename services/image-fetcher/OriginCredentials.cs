namespace Kuik.ImageFetcher;

/// <summary>What to show a registry; never logged (see <see cref="ToString"/>).</summary>
/// <param name="Username">Empty for none.</param>
/// <param name="Password">Empty for none.</param>
/// <param name="IdentityToken">An OAuth2 refresh token for the registry's token service; empty for none.</param>
/// <param name="RegistryToken">A bearer token for the registry itself; empty for none.</param>
public sealed record OriginCredentials(string Username, string Password, string IdentityToken = "", string RegistryToken = "")
{
    /// <summary>Anonymous.</summary>
    public static readonly OriginCredentials None = new("", "");

    /// <summary>Says only that there are some.</summary>
    public override string ToString() => this == None ? "anonymous" : "credentials";
}
