using System.Text;

namespace Kuik.Testing;

/// <summary>skopeo, a common client to inspect and copy images.</summary>
public static class Skopeo
{
    /// <summary>The bytes of a manifest or index as the registry serves them.</summary>
    /// <param name="image">For example <c>127.0.0.1:5000/team/web:1</c>; plain HTTP.</param>
    /// <param name="credentials"><c>user:password</c>; null for none.</param>
    /// <exception cref="ServerFailedException">skopeo failed.</exception>
    public static async Task<byte[]> InspectRaw(string image, string? credentials = null) =>
        Encoding.UTF8.GetBytes(
            await Run(["inspect", "--raw", "--tls-verify=false", .. Credentials("--creds", credentials), $"docker://{image}"]));

    /// <summary>Pulls an image into a new folder (skopeo's <c>dir:</c>), layers included.</summary>
    /// <param name="image">For example <c>127.0.0.1:5000/team/web:1</c>; plain HTTP.</param>
    /// <param name="platform"><c>os/architecture</c>; null for this machine's.</param>
    /// <param name="all">Every platform of an index.</param>
    /// <param name="credentials"><c>user:password</c>; null for none.</param>
    /// <returns>The folder.</returns>
    /// <exception cref="ServerFailedException">skopeo failed.</exception>
    public static async Task<string> Pull(string image, string? platform = null, bool all = false, string? credentials = null)
    {
        var folder = Sandbox.Shared.NewFolder("pulled");
        string[] chosen = platform?.Split('/') is [var os, var architecture, ..]
            ? ["--override-os", os, "--override-arch", architecture]
            : [];
        await Run([.. chosen, "copy", "--quiet", "--src-tls-verify=false", .. all
            ? ["--all"]
            : Array.Empty<string>(), .. Credentials("--src-creds", credentials), $"docker://{image}", $"dir:{folder}"]);
        return folder;
    }

    /// <summary>Runs skopeo with any arguments.</summary>
    /// <returns>Its output.</returns>
    /// <exception cref="ServerFailedException">It failed; the message is its own.</exception>
    public static Task<string> Run(params string[] arguments) => RunTool.Run("skopeo", ["--insecure-policy", .. arguments]);

    private static string[] Credentials(string option, string? credentials) => credentials is null ? [] : [option, credentials];
}
