using System.Globalization;

namespace Kuik.PodWatcher;

/// <summary>Formats sizes for display.</summary>
internal static class ByteSize
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>Three digits and a binary unit, without a space: <c>812B</c>, <c>56.3MiB</c>, <c>187MiB</c>.</summary>
    public static string Format(long bytes)
    {
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1024 && unit < Units.Length - 1; unit++)
            value /= 1024;
        return value.ToString(unit > 0 && value < 99.95 ? "0.0" : "0", CultureInfo.InvariantCulture) + Units[unit];
    }
}
