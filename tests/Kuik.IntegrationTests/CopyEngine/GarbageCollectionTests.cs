using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>The registry's own garbage collection, run for real, on whatever a cache has been through.</summary>
public sealed class GarbageCollectionTests
{
    private const int Steps = 25;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public async Task After_any_copies_evictions_and_crashes_it_leaves_what_is_cached_whole_and_frees_the_rest(int seed, bool canDeleteTags)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var tagDeleting = canDeleteTags ? await TagDeletingFront.Start(cache) : null;
        var front = await CutFront.Start(tagDeleting?.Endpoint ?? cache.Endpoint.ToString());
        await using var life = await RandomCacheLife.Start(seed, origin, cache, front);
        try
        {
            for (var step = 0; step < Steps; step++)
                await life.Step();
            await life.Settle();

            await life.CollectGarbage(deleteUntagged: false);
            life.AssertNothingElse();
            await life.CollectGarbage(deleteUntagged: true);
            life.AssertNothingElse();
        }
        catch (Exception fault)
        {
            throw new InvalidOperationException($"with the seed {seed}, after\n{life.Story}\n{fault.Message}", fault);
        }
    }
}
