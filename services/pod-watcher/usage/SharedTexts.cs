namespace Kuik.PodWatcher;

/// <summary>
/// The one instance of each text that several caches of this service keep for the same image or pod: references, names of resources and
/// repositories, nodes, reasons. In a large cluster copies of them would be a sixth of the heap. Thread-safe.
/// </summary>
internal static class SharedTexts
{
    private static readonly Pool<string> Texts = new();

    /// <summary>The instance that equals this text.</summary>
    public static string Get(string text) => Texts.Get(text);
}
