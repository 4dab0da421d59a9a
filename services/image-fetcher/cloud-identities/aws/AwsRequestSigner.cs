using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Kuik.ImageFetcher;

/// <summary>Signs requests to AWS: Signature Version 4 (IAM User Guide, "Create a signed AWS API request").</summary>
internal static class AwsRequestSigner
{
    private const string Algorithm = "AWS4-HMAC-SHA256";

    /// <summary>Adds the time, the session token and the signature to the request, whose headers and body must be complete.</summary>
    /// <param name="request">The request. Its path and the values in its query must need no further escaping.</param>
    /// <param name="body">Its body.</param>
    /// <param name="keys">The keys that sign it.</param>
    /// <param name="region">For example <c>eu-west-1</c>.</param>
    /// <param name="service">For example <c>ecr</c>.</param>
    /// <param name="now">UTC.</param>
    public static void Sign(HttpRequestMessage request, byte[] body, AwsKeys keys, string region, string service, DateTimeOffset now)
    {
        var time = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        request.Headers.Add("X-Amz-Date", time);
        if (keys.SessionToken is not null)
            request.Headers.Add("X-Amz-Security-Token", keys.SessionToken);

        // 1. The canonical request.
        var headers = request.Headers.Concat(request.Content?.Headers.Where(header => header.Key == "Content-Type") ?? [])
            .Select(header => (Name: header.Key.ToLowerInvariant(), Value: string.Join(',', header.Value)))
            .Append((Name: "host", Value: request.RequestUri!.Authority))
            .OrderBy(header => header.Name, StringComparer.Ordinal).ToList();
        var names = string.Join(';', headers.Select(header => header.Name));
        var query = string.Join('&', request.RequestUri.Query.TrimStart('?').Split('&').Order(StringComparer.Ordinal));
        var canonical = string.Join('\n',
            [request.Method.Method, request.RequestUri.AbsolutePath, query, .. headers.Select(header => $"{header.Name}:{header.Value}"),
                "", names, Hex(SHA256.HashData(body))]);

        // 2. The string to sign.
        var scope = $"{time[..8]}/{region}/{service}/aws4_request";
        var toSign = $"{Algorithm}\n{time}\n{scope}\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";

        // 3. A key for that day, region and service, and the signature.
        var key = scope.Split('/').Aggregate(Encoding.UTF8.GetBytes("AWS4" + keys.Secret), Hash);
        request.Headers.TryAddWithoutValidation("Authorization",
            $"{Algorithm} Credential={keys.Id}/{scope}, SignedHeaders={names}, Signature={Hex(Hash(key, toSign))}");
    }

    private static byte[] Hash(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
