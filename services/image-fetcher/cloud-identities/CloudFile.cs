namespace Kuik.ImageFetcher;

/// <summary>Files in which Kubernetes keeps a current token of this workload.</summary>
internal static class CloudFile
{
    /// <summary>Reads the current token.</summary>
    /// <param name="variable">The environment variable with the path, for errors.</param>
    /// <param name="file">Its path.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <exception cref="CloudIdentityException">The file cannot be read.</exception>
    public static async Task<string> Read(string variable, string file, CancellationToken ct)
    {
        try
        {
            return (await File.ReadAllTextAsync(file, ct)).Trim();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CloudIdentityException($"{variable}: {error.Message}", error);
        }
    }
}
