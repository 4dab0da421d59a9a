namespace Kuik.Hosting;

/// <summary>When <see cref="MemoryTrimmer"/> trims.</summary>
public sealed record MemoryTrimmerOptions
{
    /// <summary>The time between two looks. Default one minute.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A service that allocates more bytes than this between two looks is busy, and is not interrupted. Default 16 MiB.</summary>
    public long MostWhenIdle { get; init; } = 16 << 20;
}
