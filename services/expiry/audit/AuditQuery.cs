using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>The parameters of a question. Every method throws <see cref="BadHttpRequestException"/> with a sentence for a value that is not
/// accepted.</summary>
internal sealed class AuditQuery
{
    private readonly IQueryCollection _query;

    private AuditQuery(IQueryCollection query) => _query = query;

    /// <summary>Reads the query of an address.</summary>
    /// <exception cref="BadHttpRequestException">It has another parameter, or lacks a required one.</exception>
    public static AuditQuery Read(IQueryCollection query, IReadOnlyList<AuditParameter> parameters)
    {
        if (query.Keys.Except(parameters.Select(known => known.Name)).FirstOrDefault() is { } unknown)
            throw new BadHttpRequestException(
                $"there is no parameter {unknown}; those of this question are {string.Join(", ", parameters.Select(known => known.Name))}");
        if (parameters.FirstOrDefault(needed => needed.IsRequired && string.IsNullOrEmpty(query[needed.Name])) is { } absent)
            throw new BadHttpRequestException($"the parameter {absent.Name} is missing: {absent.Description}");
        return new AuditQuery(query);
    }

    /// <summary>A text; null when it is absent or empty.</summary>
    public string? Text(string name) => _query[name].FirstOrDefault() is { Length: > 0 } text ? text : null;

    /// <summary>All values of a parameter that may be repeated; null for none.</summary>
    public IReadOnlyList<string>? Texts(string name) => _query[name] is { Count: > 0 } values ? [.. values.OfType<string>()] : null;

    /// <summary><c>true</c> or <c>false</c>, the default.</summary>
    public bool Flag(string name) => Text(name) is { } text && (bool.TryParse(text, out var isSet)
        ? isSet
        : throw Refused(name, text, "true or false"));

    /// <summary>A whole number, 0 or more; null when it is absent.</summary>
    public long? Number(string name) => Text(name) is not { } text ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw Refused(name, text, "a whole number");

    /// <summary>The number of entries of a page: at most <see cref="AuditJson.MostEntries"/>, the default.</summary>
    public int Limit() => Number("limit") is not { } limit ? AuditJson.MostEntries
        : limit is >= 1 and <= AuditJson.MostEntries ? (int)limit
        : throw Refused("limit", Text("limit")!, $"a number from 1 to {AuditJson.MostEntries}");

    /// <summary>A place in the log; null when it is absent. Times without an offset are UTC.</summary>
    public Instant? Place(string name, DateTimeOffset now) => Text(name) is not { } text ? null
        : Instant.Parse(text, now, TimeZoneInfo.Utc) ?? throw Refused(name, text, "a time in RFC 3339 or a sequence number");

    /// <summary>An image.</summary>
    public string Image(string name) => ImageReference.TryParse(Text(name)!, out var reference, out var problem)
        ? reference.ToString()
        : throw Refused(name, Text(name)!, $"an image: {problem}");

    /// <summary>An image, pod or workload.</summary>
    public Subject Subject(string name) => Kuik.EventLog.Audit.Subject.Parse(Text(name)!) is { Subject: { } subject }
        ? subject
        : throw Refused(name, Text(name)!, Kuik.EventLog.Audit.Subject.Accepted);

    /// <summary>A phase; null when it is absent.</summary>
    public ImagePhase? Phase(string name) => Text(name) is not { } text ? null
        : Enum.TryParse<ImagePhase>(text, ignoreCase: true, out var phase) && Enum.IsDefined(phase) ? phase
        : throw Refused(name, text, string.Join(", ", Enum.GetNames<ImagePhase>()));

    private static BadHttpRequestException Refused(string name, string text, string accepted) =>
        new($"{name}: '{text}' is not accepted; it must be {accepted}");
}
