using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>The size of files: a file is read from top to bottom.</summary>
public sealed class FileSizeTests
{
    private const int MostLines = 250;

    private static readonly string[] Product = ["services", "shared", "tools"];

    [Fact]
    public void No_file_of_product_code_has_more_than_250_lines()
    {
        var files = Product
            .SelectMany(top => Directory.EnumerateFiles(Path.Combine(Checkout.Root, top), "*.cs", SearchOption.AllDirectories))
            .Select(file => (Path: Path.GetRelativePath(Checkout.Root, file), Lines: File.ReadLines(file).Count()))
            .ToList();

        Assert.True(files.Count > 400, $"{files.Count} files");
        Assert.All(files, file => Assert.True(file.Lines <= MostLines, $"{file.Path} has {file.Lines} lines: divide it by topic"));
    }
}
