using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Kuik.Testing;

/// <summary>JSON as no serialiser writes it again by itself, so that only an exact copy has its digest.</summary>
internal static class Odd
{
    private static readonly JsonSerializerOptions Wide = new() { WriteIndented = true, IndentSize = 3 };

    private static readonly JsonSerializerOptions AsIs = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Three spaces, a tab after the first brace, an escape that need not be, a newline at the end.</summary>
    public static byte[] Json(JsonObject value) =>
        Encoding.UTF8.GetBytes("{\t"
            + value.ToJsonString(Wide)[1..].Replace("application/vnd.", "application\\/vnd.", StringComparison.Ordinal) + "\n");

    /// <summary>JSON in one of the ways in which tools write it, or in the odd one.</summary>
    public static byte[] Json(JsonObject value, Random random) => random.Next(5) switch
    {
        0 => Json(value),
        1 => Encoding.UTF8.GetBytes(value.ToJsonString(Wide).Replace("\n", "\r\n", StringComparison.Ordinal)),
        2 => Encoding.UTF8.GetBytes("\n \t" + value.ToJsonString(AsIs) + "\n\n"),
        3 => Encoding.UTF8.GetBytes("{\"x-twice\":1,\"x-twice\":[]," + value.ToJsonString(AsIs)[1..]),
        _ => Encoding.UTF8.GetBytes(value.ToJsonString()),
    };
}
