using Kuik.Testing;

namespace Kuik.Tests.Docs;

/// <summary>The product's source, for pages that are held against it.</summary>
internal static class SourceText
{
    /// <summary>The text of every C# file of these folders, without build output.</summary>
    public static string Of(params string[] folders) => string.Concat(folders
        .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Checkout.Root, folder), "*.cs", SearchOption.AllDirectories))
        .Where(file => !file.Split(Path.DirectorySeparatorChar).Contains("obj")).Order(StringComparer.Ordinal).Select(File.ReadAllText));

    /// <summary>A page of docs/.</summary>
    public static string Page(string name) => File.ReadAllText(Path.Combine(Checkout.Root, "docs", name));
}
