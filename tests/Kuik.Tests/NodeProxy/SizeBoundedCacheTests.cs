using Kuik.NodeProxy;
using Xunit;

namespace Kuik.Tests.NodeProxy;

public sealed class SizeBoundedCacheTests
{
    private readonly SizeBoundedCache<string, string> _memory = new(limit: 1000);

    [Fact]
    public void What_is_asked_for_again_and_again_stays_while_everything_else_passes()
    {
        _memory.Keep("often", "x", 100);

        for (var i = 0; i < 1000; i++)
        {
            _memory.Keep($"once {i}", "y", 100);
            Assert.Equal("x", _memory.Find("often"));
            Assert.InRange(_memory.SizeInBytes, 0, 1200);   // each generation may be over its half by the entry that ended it
        }
        Assert.Null(_memory.Find("once 0"));
        Assert.Equal("y", _memory.Find("once 999"));
    }

    [Fact]
    public void Keeping_the_same_again_takes_no_more_room()
    {
        _memory.Keep("other", "x", 300);

        for (var i = 0; i < 1000; i++)
            _memory.Keep("same", $"{i}", 100);

        Assert.Equal(("x", "999", 400L), (_memory.Find("other"), _memory.Find("same"), _memory.SizeInBytes));
    }

    [Fact]
    public void What_is_forgotten_is_gone_from_both_generations()
    {
        _memory.Keep("a", "x", 300);
        _memory.Keep("b", "x", 300);   // ends the generation
        _memory.Keep("a", "y", 100);

        _memory.Forget("a");

        Assert.Equal((null, "x"), (_memory.Find("a"), _memory.Find("b")));
    }

    [Fact]
    public void What_is_larger_than_half_of_the_limit_is_not_kept_and_leaves_nothing_older_in_its_place()
    {
        _memory.Keep("a", "old", 10);

        _memory.Keep("a", "new", 501);

        Assert.Null(_memory.Find("a"));
    }
}
