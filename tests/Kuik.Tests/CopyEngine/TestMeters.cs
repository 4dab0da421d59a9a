using System.Diagnostics.Metrics;

namespace Kuik.Tests.CopyEngine;

/// <summary>Meters that are listened to by none.</summary>
internal sealed class TestMeters : IMeterFactory
{
    public Meter Create(MeterOptions options) => new(options);

    public void Dispose()
    {
    }
}
