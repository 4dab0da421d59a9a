using System.Text;

namespace Kuik.IntegrationTests.NodeProxy;

/// <summary>Makes requests: most of them nearly right, as those reach furthest; some are no HTTP at all.</summary>
/// <param name="allowed">An origin that may be asked.</param>
/// <param name="forbidden">One that may not.</param>
/// <param name="digest">A digest that parses.</param>
internal sealed class RandomRequests(string allowed, string forbidden, string digest)
{
    private static readonly string[] Methods = ["GET", "GET", "GET", "HEAD", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
        "CONNECT", "get", "PRI", "G\u00c9T", "GET\0", ""];
    private static readonly string[] Odd = ["%00", "%2f", "%2F..%2f", "..", ".", "%", "%zz", "%c0%af", "%e2%80%ae", "%0d%0a", "%1b[31m",
        "\u001b", " ", "\t", "?", "#", "//", "\\", "@", ":", "_", "*", "%252e", "é", "\u202e", "'", "\"", "{}", "<>", "|"];
    private static readonly string[] Headers =
    [
        "Authorization: Basic dXNlcjpwYXNz", "Range: bytes=0-", "Range: bytes=5-1", "Range: bytes=0-1,3-4", "Range: x", "If-None-Match: *",
        "If-None-Match: W/\"sha256:1\",,\"", "If-Range: \"x\"",
        "Accept: application/vnd.oci.image.index.v1+json", "Accept: ", "Expect: 100-continue", "Upgrade: h2c", "Connection: upgrade",
        "Connection: keep-alive", "X-Forwarded-For: 10.0.0.1", "Cookie: a=b",
        "Kuik-Fresh: 1", "Kuik-Working: 1", "X-Odd: \t~", "TE: trailers",
    ];

    /// <param name="random">Seeded.</param>
    /// <returns>The bytes; whether they are one whole request, so that an answer is due; whether the answer has no body.</returns>
    public (byte[] Bytes, bool IsWhole, bool IsHead) Next(Random random)
    {
        if (random.Next(40) == 0)
        {
            var noise = new byte[random.Next(1, 300)];
            random.NextBytes(noise);
            return (noise, false, false);
        }
        var method = random.Next(5) == 0 ? Pick(random, Methods) : random.Next(4) == 0 ? "HEAD" : "GET";
        var text = new StringBuilder(
            $"{method} {Target(random)} "
                + $"{(random.Next(60) == 0 ? Pick(random, ["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", ""]) : "HTTP/1.1")}\r\n");
        if (random.Next(50) > 0)
            text.Append("Host: localhost\r\n");
        for (var i = random.Next(4); i > 0; i--)
            text.Append(Pick(random, Headers)).Append("\r\n");
        if (random.Next(100) == 0)
            text.Append(Pick(random, ["Host: evil.example.com\r\n", "X: \u00ff\u00fe\r\n"]));
        if (random.Next(200) == 0)
            text.Append("Big: ").Append('x', random.Next(1_000, 40_000)).Append("\r\n");
        if (random.Next(200) == 0)
            for (var i = random.Next(200); i > 0; i--)
                text.Append($"N{i}: {i}\r\n");
        if (random.Next(50) == 0)
            text.Append(Pick(random,
                ["Content-Length: 5\r\n\r\nhello", "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
                    "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n", "No colon\r\n",
                    " folded\r\n"]));
        text.Append("\r\n");
        var isCut = random.Next(60) == 0;
        var bytes = Encoding.Latin1.GetBytes(text.ToString());
        return (isCut ? bytes[..random.Next(1, bytes.Length)] : bytes, !isCut, method == "HEAD");
    }

    private string Target(Random random)
    {
        var host = Pick(random,
            [allowed, allowed, allowed, forbidden, forbidden, "docker.io", "evil.example.com", "127.0.0.2:80", "localhost:1",
                "169.254.169.254", forbidden + ".", "user@" + forbidden, "[::1]:80"]);
        var isMirror = random.Next(2) == 0;
        var path = new StringBuilder(Pick(random, ["", "", "", "", "http://evil.example.com", "//evil"]));
        path.Append("/v2/");
        if (!isMirror)
            path.Append(host.Replace(':', '_')).Append('/');
        path.Append(Pick(random, ["a", "a/b", "a", "a/b", "library/nginx", "A", "a..b", new string('a', random.Next(1, 300))])).Append('/');
        path.Append(Pick(random,
            ["manifests/1", "manifests/latest", "manifests/" + digest, "blobs/" + digest, "blobs/" + digest, "tags/list",
                "referrers/" + digest, "blobs/uploads/", "manifests/", "_catalog", "blobs/sha256:1"]));
        for (var i = random.Next(4) == 0 ? random.Next(1, 4) : 0; i > 0; i--)
            path.Insert(random.Next(path.Length), Pick(random, Odd));
        if (isMirror)
            path.Append("?ns=").Append(Pick(random, [host, host, Uri.EscapeDataString(host), host + "&ns=" + forbidden, host + "%00", ""]));
        if (random.Next(10) == 0)
            path.Append(isMirror ? '&' : '?')
                .Append(Pick(random, ["n=1", "last=%ff", "artifactType=" + forbidden, "n=1&n=2", new string('q', random.Next(5_000))]));
        return random.Next(50) == 0 ? Pick(random, ["*", "/", "", "/v2", "/v2/", "/healthz", "/metrics"]) : path.ToString();
    }

    private static string Pick(Random random, string[] from) => from[random.Next(from.Length)];
}
