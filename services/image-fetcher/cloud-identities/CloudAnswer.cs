using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;

namespace Kuik.ImageFetcher;

/// <summary>A cloud's response.</summary>
/// <param name="From">The request, for errors.</param>
/// <param name="Text">The body.</param>
internal sealed partial record CloudAnswer(string From, string Text)
{
    private const int LongestBody = 1024 * 1024;

    // The limit at which a sum with the year 1970 or with now is still a valid DateTimeOffset.
    private const double MostSeconds = 2e11;

    /// <summary>Sends a request and reads the response.</summary>
    /// <exception cref="CloudIdentityException">There is none, or it is not a success.</exception>
    public static async Task<CloudAnswer> To(HttpMessageInvoker connections, HttpRequestMessage request, CancellationToken ct)
    {
        // Without the query: it may hold a token.
        var address = request.RequestUri!.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
        var from = $"{request.Method} {address}";
        try
        {
            using var answer = await connections.SendAsync(request, ct);
            await answer.Content.LoadIntoBufferAsync(LongestBody, ct);
            // Not ReadAsStringAsync: that throws for an unknown charset.
            var text = Encoding.UTF8.GetString(await answer.Content.ReadAsByteArrayAsync(ct));
            return answer.IsSuccessStatusCode
                ? new CloudAnswer(from, text)
                : throw new CloudIdentityException($"{from}: {(int)answer.StatusCode}{CodesIn(text)}");
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            throw new CloudIdentityException($"{from}: {error.GetBaseException().Message}", error);
        }
        catch (OperationCanceledException)
        {
            throw new CloudIdentityException($"{from}: no answer in time");
        }
    }

    /// <summary>A text field of a JSON response.</summary>
    /// <exception cref="CloudIdentityException">It is missing.</exception>
    public string this[string field] =>
        Field(field) is { ValueKind: JsonValueKind.String } value && value.GetString() is { Length: > 0 } text
            ? text
            : throw Without(field);

    /// <summary>A number of seconds in a JSON response, from none to a few thousand years; some clouds write it as text.</summary>
    /// <exception cref="CloudIdentityException">It is missing.</exception>
    public double Seconds(string field)
    {
        var seconds = Field(field) switch
        {
            { ValueKind: JsonValueKind.Number } value when value.TryGetDouble(out var number) => number,
            { ValueKind: JsonValueKind.String } value
                when double.TryParse(value.GetString(), CultureInfo.InvariantCulture, out var number) => number,
            _ => double.NaN,
        };
        return seconds is >= 0 and < MostSeconds ? seconds : throw Without(field);
    }

    /// <summary>The first object in a list of a JSON response.</summary>
    /// <exception cref="CloudIdentityException">It is missing.</exception>
    public CloudAnswer First(string field) =>
        Field(field) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0
            ? this with { Text = list[0].GetRawText() }
            : throw Without(field);

    /// <summary>The text of an element, at any depth, of an XML response.</summary>
    /// <exception cref="CloudIdentityException">It is missing.</exception>
    public string Element(string name)
    {
        try
        {
            return XElement.Parse(Text).Descendants().FirstOrDefault(element => element.Name.LocalName == name)
                ?.Value is { Length: > 0 } text ? text : throw Without(name);
        }
        catch (XmlException)
        {
            throw Without(name);
        }
    }

    /// <summary>The exception for a response without a required value.</summary>
    public CloudIdentityException Without(string what) => new($"{From}: the answer holds no usable {what}");

    private JsonElement Field(string name)
    {
        try
        {
            using var json = LenientJson.Parse(Text);
            return json.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty(name, out var value)
                ? value.Clone()
                : default;
        }
        catch (JsonException)
        {
            return default;
        }
    }

    // Only codes: messages may quote the request (AWS does, when a signature does not match).
    private static string CodesIn(string body)
    {
        var codes = Codes().Matches(body).Select(match => match.Groups["code"].Value).Distinct().Take(3).ToList();
        return codes.Count == 0 ? "" : " " + string.Join(' ', codes);
    }

    // AWS in JSON, Azure's registry, Azure's and Google's OAuth2; AWS in XML; the number in Azure's messages, which is documented.
    [GeneratedRegex("""
        "(?:__type|code|error)"\s*:\s*"(?<code>[A-Za-z0-9_.#]{1,60})"|<Code>(?<code>[A-Za-z0-9_.]{1,60})</Code>|(?<code>AADSTS[0-9]{1,9})
        """)]
    private static partial Regex Codes();
}
