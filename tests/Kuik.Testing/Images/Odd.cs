using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>JSON as no serialiser writes it again by itself, so that only an exact copy has its digest.</summary>
internal static class Odd
{
    private static readonly JsonSerializerOptions Wide = new() { WriteIndented = true, IndentSize = 3 };

    /// <summary>Three spaces, a tab after the first brace, an escape that need not be, a newline at the end.</summary>
    public static byte[] Json(JsonObject value) =>
        Encoding.UTF8.GetBytes("{\t" + value.ToJsonString(Wide)[1..].Replace("application/vnd.", "application\\/vnd.", StringComparison.Ordinal) + "\n");
}
