namespace Kuik.Testing;

/// <summary>The working copy that this was built from.</summary>
public static class Checkout
{
    /// <summary>Its top folder.</summary>
    /// <exception cref="DirectoryNotFoundException">The process does not run below a working copy.</exception>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Kuik.sln")))
                return folder.FullName;
        }
        throw new DirectoryNotFoundException($"there is no Kuik.sln above {AppContext.BaseDirectory}");
    }
}
