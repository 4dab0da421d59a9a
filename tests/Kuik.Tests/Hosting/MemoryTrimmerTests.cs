using System.Runtime.CompilerServices;
using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class MemoryTrimmerTests
{
    [Fact]
    public void What_was_allocated_and_is_not_used_any_more_goes()
    {
        var used = Allocate();

        var isWorthIt = new MemoryTrimmer(TimeProvider.System).Trim();

        Assert.Equal((true, false), (isWorthIt, used.IsAlive));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Allocate() => new(new byte[8 << 20]);
}
