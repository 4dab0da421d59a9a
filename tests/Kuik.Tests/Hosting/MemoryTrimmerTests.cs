using System.Runtime.CompilerServices;
using Kuik.Hosting;
using Xunit;

namespace Kuik.Tests.Hosting;

public sealed class MemoryTrimmerTests
{
    [Fact]
    public void An_idle_service_releases_what_was_allocated_and_is_not_used_any_more()
    {
        var used = Allocate();

        var hasTrimmed = Trimmer(mostWhenIdle: long.MaxValue).Trim();

        Assert.Equal((true, false), (hasTrimmed, used.IsAlive));
    }

    [Fact]
    public void A_busy_service_is_not_interrupted()
    {
        _ = Allocate();

        Assert.False(Trimmer(mostWhenIdle: 1 << 20).Trim());
    }

    private static MemoryTrimmer Trimmer(long mostWhenIdle) =>
        new(new MemoryTrimmerOptions { MostWhenIdle = mostWhenIdle }, TimeProvider.System);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Allocate() => new(new byte[8 << 20]);
}
