using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>The size of folders: a folder holds the files of one topic.</summary>
public sealed class FolderTests
{
    private const int MostFiles = 14;

    private static readonly string[] Product = ["services", "shared", "tools"];

    [Fact]
    public void No_folder_of_product_code_has_more_than_14_source_files()
    {
        var folders = Product
            .SelectMany(top => Directory.EnumerateFiles(Path.Combine(Checkout.Root, top), "*.cs", SearchOption.AllDirectories))
            .CountBy(file => Path.GetRelativePath(Checkout.Root, Path.GetDirectoryName(file)!))
            .ToList();

        Assert.True(folders.Count > 30, $"{folders.Count} folders");
        Assert.All(folders, folder => Assert.True(folder.Value <= MostFiles, $"{folder.Key} has {folder.Value} files: divide it by topic"));
    }
}
