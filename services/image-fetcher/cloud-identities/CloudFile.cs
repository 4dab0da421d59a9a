namespace Kuik.ImageFetcher;

/// <summary>Files in which Kubernetes keeps a token of this workload fresh.</summary>
internal static class CloudFile
{
    /// <summary>What it holds now.</summary>
    /// <param name="variable">What names it, for errors.</param>
    /// <param name="file">Its path.</param>
    /// <param name="ct">Ends it.</param>
    /// <exception cref="CloudIdentityException">It cannot be read.</exception>
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
