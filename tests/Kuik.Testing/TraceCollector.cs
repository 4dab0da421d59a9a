using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kuik.Testing;

/// <summary>A finished span, as a process has exported it.</summary>
/// <param name="Service">The process's <c>service.name</c>.</param>
/// <param name="Name">Of the span.</param>
/// <param name="TraceId">32 hex digits.</param>
/// <param name="SpanId">16 hex digits.</param>
/// <param name="ParentId">16 hex digits; empty for none.</param>
public sealed record ExportedSpan(string Service, string Name, string TraceId, string SpanId, string ParentId);

/// <summary>A collector of OpenTelemetry (OTLP over HTTP, protobuf) in this process, which keeps the spans that it gets.</summary>
public sealed class TraceCollector : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentQueue<ExportedSpan> spans = new();

    private TraceCollector(WebApplication app) => this.app = app;

    /// <summary>All spans so far.</summary>
    public IReadOnlyCollection<ExportedSpan> Spans => spans;

    /// <summary>The standard variables by which a process exports to this collector, every half second.</summary>
    public IReadOnlyDictionary<string, string?> Settings => new Dictionary<string, string?>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = app.Urls.First(),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "500",
    };

    /// <summary>Starts one on a free port of 127.0.0.1.</summary>
    public static async Task<TraceCollector> Start()
    {
        var builder = WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.Logging.ClearProviders();
        builder.ListenOnFreePort(null);
        var collector = new TraceCollector(builder.Build());
        collector.app.Run(collector.Take);
        await collector.app.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task Take(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        if (http.Request.Path == "/v1/traces")
            Read(body.ToArray());
        http.Response.ContentType = "application/x-protobuf";   // an empty message: all was taken
    }

    // opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest: the fields that are read here have had these numbers since 1.0.
    private void Read(ReadOnlyMemory<byte> request)
    {
        foreach (var ofResource in Fields(request, 1))
        {
            var service = Fields(ofResource, 1).SelectMany(resource => Fields(resource, 1))
                .Where(attribute => Text(attribute, 1) == "service.name")
                .SelectMany(attribute => Fields(attribute, 2)).Select(value => Text(value, 1)).FirstOrDefault() ?? "";
            foreach (var span in Fields(ofResource, 2).SelectMany(scope => Fields(scope, 2)))
                spans.Enqueue(new ExportedSpan(service, Text(span, 5), Hex(span, 1), Hex(span, 2), Hex(span, 4)));
        }
    }

    private static string Text(ReadOnlyMemory<byte> message, int number) =>
        Fields(message, number).Select(field => System.Text.Encoding.UTF8.GetString(field.Span)).FirstOrDefault() ?? "";

    private static string Hex(ReadOnlyMemory<byte> message, int number) =>
        Fields(message, number).Select(field => Convert.ToHexStringLower(field.Span)).FirstOrDefault() ?? "";

    /// <summary>The length-delimited fields of a protobuf message that have a number.</summary>
    private static IEnumerable<ReadOnlyMemory<byte>> Fields(ReadOnlyMemory<byte> message, int number)
    {
        var at = 0;
        while (at < message.Length)
        {
            var tag = Number(message, ref at);
            var length = (int)(tag & 7) switch
            {
                0 => (int)Number(message, ref at) & 0,   // a number: read, and nothing follows
                1 => 8,
                2 => (int)Number(message, ref at),
                5 => 4,
                var other => throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"wire type {other}")),
            };
            if ((tag & 7) == 2 && tag >> 3 == (ulong)number)
                yield return message.Slice(at, length);
            at += length;
        }
    }

    private static ulong Number(ReadOnlyMemory<byte> message, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var next = message.Span[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return value;
        }
    }
}
